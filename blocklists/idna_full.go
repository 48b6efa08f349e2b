//go:build !tiny

package blocklists

import "golang.org/x/net/idna"

var listNames = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false), idna.BidiRule())

// toASCII maps and checks an international name as a browser's address bar does
// (UTS 46, non-transitional), but leaves "_" alone, which lists use.
func toASCII(name string) (string, error) { return listNames.ToASCII(name) }
