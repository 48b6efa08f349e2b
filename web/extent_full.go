//go:build !tiny

package web

// parentsPages says that a build has the pages for parents, signing in, the API
// and Learn; see extent_tiny.go.
const parentsPages = true
