"""Detail from covariates without a fine truth: learned where the coarse field shows it, carried down."""
