package household

import (
	"context"
	"net/netip"
)

// Neighbours is the kernel's table of who is on the network. The real one is
// KernelNeighbours; tests bring their own.
type Neighbours interface {
	// Table reads the whole table.
	Table() (map[netip.Addr]MAC, error)
	// Changes tells that the table may have changed, until ctx ends and the
	// channel is closed. Several changes may be told once.
	Changes(ctx context.Context) (<-chan struct{}, error)
}

// maxNeighbours bounds the table that is kept: /24 of IPv4 and some addresses of
// IPv6 for each of a full household. A flood of made-up neighbours ends here.
const maxNeighbours = 8192

// FixedNeighbours is a table that does not change, for tests and systems without
// netlink.
type FixedNeighbours map[netip.Addr]MAC

// Table is the table itself.
func (n FixedNeighbours) Table() (map[netip.Addr]MAC, error) { return n, nil }

// Changes never tells of any.
func (n FixedNeighbours) Changes(ctx context.Context) (<-chan struct{}, error) {
	c := make(chan struct{})
	go func() {
		<-ctx.Done()
		close(c)
	}()
	return c, nil
}
