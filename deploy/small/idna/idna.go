// Package idna stands in, in a router's build, for the copy of
// golang.org/x/net/idna that net/http has inside: 0.2 MiB of tables for addresses
// to fetch from whose host is in another script. There they are written as
// A-labels (xn--), and refused otherwise. net/http asks for nothing else of it,
// and of what is ASCII not at all. The names in lists have nothing to do with it.
package idna

import "errors"

// A Profile is a way to convert; here there is one.
type Profile struct{}

// Lookup is the profile for looking names up.
var Lookup = &Profile{}

var errOtherScript = errors.New("idna: write the host's name as A-labels (xn--)")

// ToASCII refuses what is not ASCII, which is all that it is asked for.
func (*Profile) ToASCII(string) (string, error) { return "", errOtherScript }

// ToASCII is Lookup.ToASCII.
func ToASCII(name string) (string, error) { return Lookup.ToASCII(name) }
