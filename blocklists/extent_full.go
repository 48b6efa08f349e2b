//go:build !tiny

package blocklists

// replaceable says that a build can take another catalogue than the built-in
// one; see extent_tiny.go.
const replaceable = true
