"""One module per group of skills; each offers functions from a Draw to a Draft."""
