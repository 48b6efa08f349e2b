//go:build tiny

package blocklists

import "errors"

// toASCII refuses international names that are not A-labels already, as queries
// and nearly all lists have them: the tables for the rest take 180 KB.
func toASCII(string) (string, error) { return "", errors.New("this build knows only A-labels (xn--)") }
