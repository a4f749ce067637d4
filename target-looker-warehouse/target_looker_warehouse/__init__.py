"""Singer target for the warehouse behind Looker."""
