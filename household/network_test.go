package household

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

var (
	anaMAC    = MAC{0x4c, 0x5e, 0x0c, 0, 0, 1}
	mariaMAC  = MAC{0x4c, 0x5e, 0x0c, 0, 0, 2}
	madeUp    = MAC{0x02, 0, 0, 0, 0, 3}
	anaAddr   = netip.MustParseAddr("192.168.1.20")
	mariaAddr = netip.MustParseAddr("192.168.1.2")
	slaac     = netip.MustParseAddr("fd00::20")
)

// twoPeople is Ana (1) and Maria (2), each with a device known by its MAC; Maria's
// has a fixed address too.
func twoPeople(h *Household) error {
	for _, p := range []Person{{Name: "Ana", Band: "6-9"}, {Name: "Maria", Band: Adult}} {
		if _, err := h.AddPerson(p); err != nil {
			return err
		}
	}
	for _, d := range []Device{
		{Name: "Ana's tablet", Person: 1, MACs: []MAC{anaMAC}, Hint: "Galaxy-Tab"},
		{Name: "Maria's laptop", Person: 2, MACs: []MAC{mariaMAC}, Addrs: []netip.Addr{mariaAddr}, Clients: []string{"0001aa"}},
	} {
		if _, err := h.AddDevice(d); err != nil {
			return err
		}
	}
	return nil
}

// TestWhoIsAsking goes through the ways a device is known, and the ways a child
// may try to be somebody else.
func TestWhoIsAsking(t *testing.T) {
	h := New(DefaultBands(), nil)
	must(t, twoPeople(h))
	for _, c := range []struct {
		what    string
		network *Network
		from    netip.Addr
		mac     []byte
		want    filter.PolicyID
	}{
		{"nothing is known", nil, anaAddr, nil, 0},
		{"a fixed address", nil, mariaAddr, nil, 2},
		{"the MAC dnsmasq tells", nil, netip.MustParseAddr("127.0.0.1"), anaMAC[:], 1},
		{"a MAC nobody knows", nil, mariaAddr, madeUp[:], 0},
		{"a MAC of the wrong length", nil, mariaAddr, []byte{1}, 2},
		{"a neighbour", &Network{Neighbours: map[netip.Addr]MAC{anaAddr: anaMAC}}, anaAddr, nil, 1},
		{"a neighbour over IPv6", &Network{Neighbours: map[netip.Addr]MAC{slaac: anaMAC}}, slaac, nil, 1},
		{"an IPv4 address in IPv6 form", &Network{Neighbours: map[netip.Addr]MAC{anaAddr: anaMAC}}, netip.MustParseAddr("::ffff:192.168.1.20"), nil, 1},
		{"a link-local address with its zone", &Network{Neighbours: map[netip.Addr]MAC{netip.MustParseAddr("fe80::1"): anaMAC}}, netip.MustParseAddr("fe80::1%eth0"), nil, 1},
		{"a lease", &Network{Leases: []Lease{{Addr: anaAddr, MAC: anaMAC}}}, anaAddr, nil, 1},
		{"a DHCPv6 lease", &Network{Leases: []Lease{{Addr: slaac, Client: "0001aa"}}}, slaac, nil, 2},
		{"the child takes the parent's address", &Network{Neighbours: map[netip.Addr]MAC{mariaAddr: anaMAC}}, mariaAddr, nil, 1},
		{"… with a MAC it made up", &Network{Neighbours: map[netip.Addr]MAC{mariaAddr: madeUp}}, mariaAddr, nil, 0},
		{"a lease of the parent's, a neighbour of the child's", &Network{Leases: []Lease{{Addr: anaAddr, MAC: mariaMAC}}, Neighbours: map[netip.Addr]MAC{anaAddr: anaMAC}}, anaAddr, nil, 1},
	} {
		if got := h.Clients(c.network).Identify(c.from, c.mac).Policy; got != c.want {
			t.Errorf("%s: policy %d, want %d", c.what, got, c.want)
		}
	}
}

// TestANewMAC: a tablet comes back under another address. It has the default
// profile until a parent says that it is the same one.
func TestANewMAC(t *testing.T) {
	f := openFamily(t, filepath.Join(t.TempDir(), "household.db"))
	must(t, f.Change(twoPeople))
	source := NetworkSource{Neighbours: FixedNeighbours{anaAddr: madeUp}, Failed: func(err error) { t.Error(err) }}
	f.look(source)
	if got := f.Identify(anaAddr, nil).Policy; got != 0 {
		t.Errorf("a new MAC has policy %d", got)
	}
	// The lease tells its name, so the family can be asked a good question.
	must(t, f.learn(&Network{Leases: []Lease{{Addr: anaAddr, MAC: madeUp, Host: "galaxy-tab"}}}))
	fresh := f.Household().Devices[2]
	if fresh.Person != 0 || !fresh.PrivateAddress() || fresh.Hint != "galaxy-tab" {
		t.Fatalf("learned %+v", fresh)
	}
	like := f.Household().Similar(fresh.ID)
	if len(like) != 1 || like[0].Name != "Ana's tablet" {
		t.Fatalf("similar: %+v", like)
	}
	must(t, f.Change(func(h *Household) error { return h.Merge(like[0].ID, fresh.ID) }))
	if got := f.Identify(anaAddr, nil).Policy; got != 1 || len(f.Household().Devices) != 2 {
		t.Errorf("after merging: policy %d, %d devices", got, len(f.Household().Devices))
	}
}

// TestAClientIDProvesNothing: a child's device that sends a parent's DHCP client
// identifier stays a new device.
func TestAClientIDProvesNothing(t *testing.T) {
	h := New(DefaultBands(), nil)
	must(t, twoPeople(h))
	changed, err := h.Observe(Lease{Addr: anaAddr, MAC: madeUp, Client: "0001aa", Host: "Maria's laptop"}, monday)
	must(t, err)
	if d := h.Devices[len(h.Devices)-1]; !changed || d.Person != 0 || len(d.Clients) != 0 {
		t.Errorf("%+v", d)
	}
}

// TestMadeUpDevicesAreBounded: a MAC a minute fills a list of 200 and no more,
// and never pushes out a device that is somebody's.
func TestMadeUpDevicesAreBounded(t *testing.T) {
	h := New(DefaultBands(), nil)
	must(t, twoPeople(h))
	learned := 0
	for i := range 3000 { // two days and two hours, three calendar days
		changed, err := h.Observe(Lease{MAC: MAC{2, 0, 0, 1, byte(i >> 8), byte(i)}, Host: "x"}, monday.Add(time.Duration(i)*time.Minute))
		must(t, err)
		if changed {
			learned++
		}
	}
	if learned > 3*newADay {
		t.Errorf("%d writes", learned)
	}
	if len(h.Devices) != maxUnassigned+2 || h.Devices[0].Name != "Ana's tablet" || h.Devices[1].Person != 2 {
		t.Errorf("%d devices", len(h.Devices))
	}
	for i := range 100 {
		d := h.Device(1)
		d.MACs = gather(d.MACs, MAC{2, 1, 1, 1, 1, byte(i)})
	}
	if n := len(h.Device(1).MACs); n != maxIdentifiers {
		t.Errorf("%d MACs of one device", n)
	}
}

// TestAChattyDevice: one that calls itself something else every minute is
// written down once a day.
func TestAChattyDevice(t *testing.T) {
	h := New(DefaultBands(), nil)
	must(t, twoPeople(h))
	writes := 0
	for i := range 24 * 60 {
		changed, err := h.Observe(Lease{MAC: anaMAC, Host: fmt.Sprint("tablet", i), Client: fmt.Sprintf("%04x", i)}, monday.Add(time.Duration(i)*time.Minute))
		must(t, err)
		if changed {
			writes++
		}
	}
	if d := h.Device(1); writes != 2 || len(d.Clients) > 2 || d.Name != "Ana's tablet" {
		t.Errorf("%d writes, %+v", writes, d)
	}
}

// TestNothingIsWrittenForKnownDevices: a whole day of coming and going.
func TestNothingIsWrittenForKnownDevices(t *testing.T) {
	f := openFamily(t, filepath.Join(t.TempDir(), "household.db"))
	must(t, f.Change(twoPeople))
	source := NetworkSource{Neighbours: FixedNeighbours{anaAddr: anaMAC, mariaAddr: mariaMAC}, Failed: func(err error) { t.Error(err) }}
	f.look(source) // the first time today: both were seen
	before := f.file.BytesWritten()
	for range 100 {
		f.look(source)
	}
	if n := f.file.BytesWritten() - before; n != 0 {
		t.Errorf("%d bytes of flash", n)
	}
	if seen := f.Household().Device(1).Seen; seen != DateOf(monday) {
		t.Errorf("seen on %s", seen)
	}
}

const leaseFile = `1763900000 4c:5e:0c:00:00:01 192.168.1.20 Galaxy-Tab 01:4c:5e:0c:00:00:01
1763900000 02:00:00:00:00:03 192.168.1.33 * *
1763900000 06-4c:5e:0c:00:00:09 192.168.1.34 token-ring *
duid 00:01:00:01:2c:aa:bb:cc:4c:5e:0c:00:00:fe
1763900000 123456 fd00::20 Galaxy-Tab 00:01:00:01:2c:aa:bb:cd:4c:5e:0c:00:00:01
half a li
# br-lan 4c5e0c000001 ipv4 Galaxy-Tab 1763900000 c0a80114 32 192.168.1.20/32
# br-lan 000100012caabbcd4c5e0c000001 1 - 1763900000 20 128 fd00::20/128 2001:db8::20/128
# br-lan zz ipv4 x 1 2 3 192.168.1.9/32
1763900000 4c:5e:0c:00:00:05 192.168.1.5 <script>alert(1)</script> *
`

func TestReadLeases(t *testing.T) {
	leases, err := ReadLeases(strings.NewReader(leaseFile))
	must(t, err)
	var got []string
	for _, l := range leases {
		got = append(got, fmt.Sprintf("%s %s %s %q", l.Addr, l.MAC, l.Client, l.Host))
	}
	want := []string{
		`192.168.1.20 4c:5e:0c:00:00:01 014c5e0c000001 "Galaxy-Tab"`,
		`192.168.1.33 02:00:00:00:00:03  ""`,
		`fd00::20 00:00:00:00:00:00 000100012caabbcd4c5e0c000001 "Galaxy-Tab"`,
		`192.168.1.20 4c:5e:0c:00:00:01  "Galaxy-Tab"`,
		`fd00::20 00:00:00:00:00:00 000100012caabbcd4c5e0c000001 ""`,
		`2001:db8::20 00:00:00:00:00:00 000100012caabbcd4c5e0c000001 ""`,
		`192.168.1.5 4c:5e:0c:00:00:05  "<script>alert(1)</script>"`, // text; the page escapes it
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func FuzzReadLeases(f *testing.F) {
	f.Add(leaseFile)
	f.Add(strings.Repeat("a", maxLeaseLine+1))
	f.Fuzz(func(t *testing.T, text string) {
		leases, _ := ReadLeases(strings.NewReader(text))
		if len(leases) > maxLeases {
			t.Errorf("%d leases", len(leases))
		}
		for _, l := range leases {
			if !l.Addr.IsValid() || l.Host != CleanName(l.Host) || len(l.Client) > maxClientID || (l.MAC == MAC{} && l.Client == "") {
				t.Errorf("%+v", l)
			}
		}
	})
}

// TestKernelNeighbours reads this machine's own table: whatever is in it, it can
// be read.
func TestKernelNeighbours(t *testing.T) {
	table, err := KernelNeighbours{}.Table()
	if err != nil {
		t.Skip("this machine has no netlink (qemu-user has none): ", err)
	}
	for addr, mac := range table {
		if !addr.IsValid() || mac == (MAC{}) {
			t.Errorf("%s is at %s", addr, mac)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	changes, err := KernelNeighbours{}.Changes(ctx)
	if err != nil {
		t.Skip(err)
	}
	cancel()
	for range changes { // closed because ctx has ended; a change before is all right
	}
}

// TestKeptDevicesAreNotForgotten: a thermostat that nobody is the owner of keeps
// its connection, however many devices come by after it.
func TestKeptDevicesAreNotForgotten(t *testing.T) {
	h := New(DefaultBands(), nil)
	d, err := h.AddDevice(Device{Name: "thermostat", MACs: []MAC{{2, 0, 0, 2, 0, 1}}, Keeps: true, Seen: DateOf(monday)})
	must(t, err)
	for i := range 10 * newADay {
		_, err := h.Observe(Lease{MAC: MAC{2, 0, 0, 1, byte(i >> 8), byte(i)}}, monday.AddDate(0, 0, 1+i/newADay))
		must(t, err)
	}
	if d := h.Device(d.ID); d == nil || !d.Keeps {
		t.Errorf("of %d devices it is %+v", len(h.Devices), d)
	}
}
