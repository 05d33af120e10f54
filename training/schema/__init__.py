"""What the YAML files of training may say."""
