//go:build !tiny

package web

// How much of the pages a build has. With the tag tiny it is My internet alone,
// for routers whose flash holds no more; see extent_tiny.go.
const (
	// parentsPages are the pages for parents, signing in, the API and Learn.
	parentsPages = true
	// zips says that answers are compressed for browsers that take that.
	zips = true
)
