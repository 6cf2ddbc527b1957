"""Real systems for the tests: a Debian tree, containers and a virtual machine made from it."""
