//go:build nethttpomithttp2

package resolver

// httpVersions leaves out HTTP/2 on routers, where it takes more room than all
// else that this package has.
func httpVersions() []string { return []string{"http/1.1"} }
