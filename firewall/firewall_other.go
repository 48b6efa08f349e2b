//go:build !linux

package firewall

import "fmt"

// Apply puts the rules in force in place of all earlier ones. This machine has
// no nftables, so it always fails with ErrUnavailable.
func Apply(r Rules) error {
	if err := r.check(); err != nil {
		return err
	}
	return errNotLinux
}

// Remove takes the table away. Here there is none.
func Remove() error { return nil }

var errNotLinux = fmt.Errorf("%w: it needs Linux with nftables; names are filtered all the same", ErrUnavailable)

// Look reads what is in force: here there is no way to know.
func Look() (State, error) { return State{}, errNotLinux }
