"""Files that are read and written: paths, tables, typed JSON, pictures, digests."""
