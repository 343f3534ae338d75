"""The configuration: two YAML files and the environment become one frozen `Config`, or all that is wrong with them."""
