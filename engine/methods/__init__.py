"""The simple methods: each turns a coarse field into a fine one without learning."""
