//go:build !linux

package household

import (
	"context"
	"net/netip"
)

// KernelNeighbours knows nobody here: only Linux tells by netlink. Devices are
// then known by the addresses a parent has fixed.
type KernelNeighbours struct{}

// Table is empty.
func (KernelNeighbours) Table() (map[netip.Addr]MAC, error) { return nil, nil }

// Changes never tells of any.
func (KernelNeighbours) Changes(ctx context.Context) (<-chan struct{}, error) {
	return FixedNeighbours(nil).Changes(ctx)
}
