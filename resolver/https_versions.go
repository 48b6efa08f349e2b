//go:build !nethttpomithttp2

package resolver

// httpVersions are the versions of HTTP that are spoken, the preferred first
// (RFC 8484 §5.2 asks for the second).
func httpVersions() []string { return []string{"h2", "http/1.1"} }
