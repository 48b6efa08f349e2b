// Package e2e holds the tests that drive Treehouse from outside: replay
// scenarios for the resolver, the stories of a family, and the test that holds
// the arrows between the folders.
package e2e
