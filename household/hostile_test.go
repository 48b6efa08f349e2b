package household

import (
	"net/netip"
	"testing"

	"github.com/treehouse-dns/treehouse/filter"
)

// TestBorrowedClientID: a device chooses its DHCP client identifier or DUID as it
// likes, and anybody on the Wi-Fi hears a parent's. With a MAC address that is not
// the parent's, it makes nobody the parent.
func TestBorrowedClientID(t *testing.T) {
	h := &Household{
		People: []Person{{ID: 2, Name: "Maria", Band: Adult}},
		Devices: []Device{
			{ID: 1, Name: "phone", Person: 2, MACs: []MAC{{2, 0, 0, 0, 0, 1}}, Clients: []string{"01aa", "duid"}},
			{ID: 2, Name: "laptop", Person: 2, Clients: []string{"only"}}, // known by nothing else
		},
	}
	four, six, laptop := netip.MustParseAddr("192.168.1.50"), netip.MustParseAddr("fd00::50"), netip.MustParseAddr("fd00::60")
	fresh := MAC{2, 0, 0, 0, 0, 9}
	c := h.Clients(&Network{
		Leases:     []Lease{{Addr: four, MAC: fresh, Client: "01aa"}, {Addr: six, Client: "duid"}, {Addr: laptop, Client: "only"}},
		Neighbours: map[netip.Addr]MAC{four: fresh, six: fresh, laptop: {2, 0, 0, 0, 0, 8}},
	})
	for addr, want := range map[netip.Addr]filter.PolicyID{four: 0, six: 0, laptop: 2} {
		if _, person := c.Whose(addr); person != want {
			t.Errorf("%s is person %d's, want %d", addr, person, want)
		}
	}
	c = h.Clients(&Network{
		Leases:     []Lease{{Addr: six, Client: "duid"}},
		Neighbours: map[netip.Addr]MAC{six: {2, 0, 0, 0, 0, 1}},
	})
	if _, person := c.Whose(six); person != 2 {
		t.Error("the phone itself is not known by its DUID")
	}
	c = h.Clients(&Network{
		Leases:     []Lease{{Addr: four, MAC: MAC{2, 0, 0, 0, 0, 1}}}, // the phone has left, its lease has not
		Neighbours: map[netip.Addr]MAC{four: fresh},
	})
	if _, person := c.Whose(four); person != 0 {
		t.Errorf("whoever takes a leased address is person %d", person)
	}
	c = h.Clients(&Network{Leases: []Lease{{Addr: six, Client: "duid"}}}) // and where no neighbours are seen
	if _, person := c.Whose(six); person != 2 {
		t.Error("without a neighbour table, the phone is not known by its DUID")
	}
}
