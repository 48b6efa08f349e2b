package household

import (
	"net/netip"
	"slices"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

// Clients tells who is asking. It is immutable and read without a lock by every
// query; a change of the household or of the network makes another.
type Clients struct {
	byAddr  map[netip.Addr]owner
	byMAC   map[MAC]owner
	byToken map[TokenID]owner
	logged  map[DeviceID]time.Time // until when a device's names are noted
}

// owner is what an address or MAC leads to. The zero owner is a device that
// nobody has seen.
type owner struct {
	device DeviceID
	person filter.PolicyID
	policy filter.PolicyID // the person's, or the one without pauses and nights
}

// Clients compiles the devices, and the network as it is seen now (which may be
// nil), to a table of who asks.
func (h *Household) Clients(network *Network) *Clients {
	c := &Clients{byAddr: map[netip.Addr]owner{}, byMAC: map[MAC]owner{}}
	byClient := map[string]owner{}
	hasMAC := map[DeviceID]bool{}
	for _, d := range h.Devices {
		o := owner{d.ID, d.Person, d.policy()}
		for _, a := range d.Addrs {
			c.byAddr[a] = o
		}
		for _, m := range d.MACs {
			c.byMAC[m], hasMAC[d.ID] = o, true
		}
		for _, id := range d.Clients {
			byClient[id] = o
		}
		if d.Away != "" {
			if c.byToken == nil {
				c.byToken = map[TokenID]owner{}
			}
			c.byToken[tokenID(d.Away)] = o
		}
		if !d.Logged.IsZero() && h.MayLog(d) == nil {
			if c.logged == nil {
				c.logged = map[DeviceID]time.Time{}
			}
			c.logged[d.ID] = d.Logged
		}
	}
	if network == nil {
		return c
	}
	leased := map[netip.Addr]bool{} // to a device that is known by a MAC
	for _, l := range network.Leases {
		// A device chooses its client identifier, and everybody hears a parent's: one
		// that comes with another MAC proves nothing.
		if o, ok := byClient[l.Client]; ok && l.Client != "" && (l.MAC == MAC{} || !hasMAC[o.device]) {
			c.byAddr[l.Addr], leased[l.Addr] = o, hasMAC[o.device]
		}
		if o, ok := c.byMAC[l.MAC]; ok && l.MAC != (MAC{}) {
			c.byAddr[l.Addr], leased[l.Addr] = o, true
		}
	}
	// What is seen now wins over what was leased or written down, a MAC that nobody
	// knows too: an address can be taken.
	for addr, mac := range network.Neighbours {
		o, known := c.byMAC[mac]
		if known || leased[addr] || h.knownOtherwise(addr) {
			c.byAddr[addr] = o
		}
	}
	return c
}

// knownOtherwise tells whether the device with that fixed address is known by a
// MAC too. Whoever is seen there with another MAC is not that device: taking a
// parent's address does not make a child the parent.
func (h *Household) knownOtherwise(addr netip.Addr) bool {
	for _, d := range h.Devices {
		if len(d.MACs) > 0 && slices.Contains(d.Addrs, addr) {
			return true
		}
	}
	return false
}

// Identify tells who asks: by what came with the query, else by the address. id
// is a MAC (the caller vouches for it; dnsmasq's option 65001 counts from loopback
// only), a TokenID, or nil. Unknown devices, and those nobody has assigned, are
// the default profile's. It does not allocate.
func (c *Clients) Identify(source netip.Addr, id []byte) filter.Client {
	return filter.Client{Policy: c.owner(source, id).policy}
}

// owner finds a device. A MAC or token nobody knows is nobody's: the address is
// the forwarder's, or somebody else's network's.
func (c *Clients) owner(source netip.Addr, id []byte) owner {
	switch len(id) {
	case len(MAC{}):
		return c.byMAC[MAC(id)]
	case len(TokenID{}):
		return c.byToken[TokenID(id)]
	}
	return c.byAddr[source.Unmap().WithZone("")]
}

// Whose tells whose device is at an address: the device, 0 if nobody has seen
// it, and its person, 0 if nobody has assigned it.
func (c *Clients) Whose(addr netip.Addr) (DeviceID, filter.PolicyID) {
	o := c.owner(addr, nil)
	return o.device, o.person
}
