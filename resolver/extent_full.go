//go:build !tiny

package resolver

// overTLS says that a build answers over TLS and HTTPS; see extent_tiny.go.
const overTLS = true
