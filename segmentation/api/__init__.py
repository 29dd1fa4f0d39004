"""The REST door of a storefront: keys, rates, problem documents, this app's calls."""
