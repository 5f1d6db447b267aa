"""What training costs on a device: learned from runs that were made, told for runs to come."""
