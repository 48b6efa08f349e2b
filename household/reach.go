package household

import (
	"bytes"
	"net/netip"
	"slices"
	"sort"

	"github.com/treehouse-dns/treehouse/filter"
)

// Reach is how the packets of one device are known: what a firewall needs to
// stop them.
type Reach struct {
	Device DeviceID        // 0: one that nobody has written down
	Person filter.PolicyID // 0: nobody's
	Keeps  bool            // see Device.Keeps
	MACs   []MAC
	// Addrs are where it is now, as the network says, and those that a parent has
	// fixed unless somebody else is seen there.
	Addrs []netip.Addr
}

// Reaches are the devices that have a MAC address, by ID: those of the household
// by what is written down, one that is known by its address alone by who is seen
// there, and last whoever is on the network and has not been written down.
func (f *Family) Reaches() []Reach { return f.Household().reaches(f.network.Load()) }

func (h *Household) reaches(network *Network) []Reach {
	clients := h.Clients(network)
	found := map[DeviceID]*Reach{}
	for _, d := range h.Devices {
		found[d.ID] = &Reach{Device: d.ID, Person: d.Person, Keeps: d.Keeps, MACs: slices.Clone(d.MACs)}
	}
	for addr, o := range clients.byAddr {
		if r := found[o.device]; r != nil {
			r.Addrs = append(r.Addrs, addr)
		}
	}
	var strangers []MAC
	if network != nil {
		for mac, device := range behind(network, clients) {
			switch r := found[device]; {
			case device == several:
			case r == nil:
				strangers = append(strangers, mac)
			default:
				r.MACs = append(r.MACs, mac)
			}
		}
	}
	var all []Reach
	for _, d := range h.Devices {
		r := found[d.ID]
		if r.MACs = slices.DeleteFunc(r.MACs, func(m MAC) bool { return !m.isDevice() }); len(r.MACs) == 0 {
			continue
		}
		sort.Slice(r.Addrs, func(i, j int) bool { return r.Addrs[i].Less(r.Addrs[j]) })
		sortMACs(r.MACs)
		all = append(all, *r)
	}
	sortMACs(strangers)
	for _, mac := range strangers {
		all = append(all, Reach{MACs: []MAC{mac}})
	}
	return all
}

// several stands for more than one device; no device has that ID.
const several = ^DeviceID(0)

// behind tells, for each MAC address on the network that nobody has written down,
// which device is seen there: the one that an address of it is fixed for, 0 for
// none, or several, as behind a repeater, which is not to stand for one of them.
func behind(network *Network, clients *Clients) map[MAC]DeviceID {
	seen := map[MAC]DeviceID{}
	for addr, mac := range network.Neighbours {
		if _, written := clients.byMAC[mac]; written || !mac.isDevice() || !isHome(addr) && clients.byAddr[addr].device == 0 {
			continue
		}
		device := clients.byAddr[addr].device
		switch old := seen[mac]; {
		case old == 0:
			seen[mac] = device
		case device != 0 && device != old:
			seen[mac] = several
		}
	}
	return seen
}

// isDevice tells whether the MAC can be a device's: not zero, and no group's.
func (m MAC) isDevice() bool { return m != MAC{} && m[0]&1 == 0 }

// sortMACs does it with sort, whose code is there once; that of slices is made
// for every type, at 10 KB each on mipsle.
func sortMACs(macs []MAC) {
	sort.Slice(macs, func(i, j int) bool { return bytes.Compare(macs[i][:], macs[j][:]) < 0 })
}
