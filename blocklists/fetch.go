package blocklists

func checkURL(Source) error { return nil }
