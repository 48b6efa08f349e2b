package resolver

import (
	"bufio"
	"io"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/treehouse-dns/treehouse/filter"
)

const (
	// localMax is how many names of the house are kept: a school's worth. Names
	// come from devices, and a device could make up many.
	localMax = 4096
	// localLineMax is the longest line of a hosts or lease file, in bytes.
	localLineMax = 4096
)

// LocalNames is the names of the house, from hosts and lease files. It is a
// Local. The zero LocalNames knows none. Replace puts a new set in force; any
// number of goroutines may ask meanwhile.
type LocalNames struct {
	p atomic.Pointer[localTable]
}

type localTable struct {
	addrs map[string][]netip.Addr
	names map[netip.Addr]filter.Name
}

// Addresses implements Local.
func (l *LocalNames) Addresses(name filter.Name) ([]netip.Addr, bool) {
	t := l.p.Load()
	if t == nil {
		return nil, false
	}
	addrs, ok := t.addrs[string(name)]
	return addrs, ok
}

// NameOf implements Local.
func (l *LocalNames) NameOf(addr netip.Addr) filter.Name {
	t := l.p.Load()
	if t == nil {
		return nil
	}
	return t.names[addr]
}

// Replace reads hosts files ("address name…", hosts(5)) and lease files of
// dnsmasq ("expiry MAC address name client-id"), and puts their names in force
// in place of those known before. Names without a dot are in domain, and found
// without it too if domain is not nil. It gives the number of names kept and of
// lines refused. If a file cannot be read, nothing changes.
//
// What a lease says of a device's name, the device has said: it is taken only
// if it is one plain label (RFC 1123 §2.1), if no hosts file has the name, and
// if nobody could pass for the house with it.
func (l *LocalNames) Replace(domain filter.Name, hosts, leases []io.Reader) (kept, refused int, err error) {
	t := &localTable{addrs: map[string][]netip.Addr{}, names: map[netip.Addr]filter.Name{}}
	for _, r := range hosts {
		err := eachLine(r, func(fields []string) {
			addr, err := netip.ParseAddr(fields[0])
			if err != nil || len(fields) < 2 {
				refused++
				return
			}
			for _, name := range fields[1:] {
				if !t.add(domain, strings.TrimSuffix(name, "."), addr) {
					refused++
				}
			}
		})
		if err != nil {
			return 0, 0, err
		}
	}
	fromHosts := make(map[string]bool, len(t.addrs))
	for name := range t.addrs {
		fromHosts[name] = true
	}
	for _, r := range leases {
		err := eachLine(r, func(fields []string) {
			if len(fields) < 4 || fields[0] == "duid" || fields[3] == "*" {
				return
			}
			addr, err := netip.ParseAddr(fields[2])
			full, parsed := qualified(domain, fields[3])
			if err != nil || !parsed || !plainLabel(fields[3]) || fromHosts[string(full)] || !t.add(domain, fields[3], addr) {
				refused++
			}
		})
		if err != nil {
			return 0, 0, err
		}
	}
	l.p.Store(t)
	return len(t.addrs), refused, nil
}

// add gives a name an address. The first name of an address is what a reverse
// lookup finds.
func (t *localTable) add(domain filter.Name, name string, addr netip.Addr) bool {
	full, ok := qualified(domain, name)
	if !ok || len(t.addrs) >= localMax && t.addrs[string(full)] == nil {
		return false
	}
	addr = addr.Unmap().WithZone("")
	if addr.IsUnspecified() { // a block list in the form of a hosts file is none of ours
		return false
	}
	for _, n := range []filter.Name{full, bare(full, domain)} {
		if n != nil && !slices.Contains(t.addrs[string(n)], addr) {
			t.addrs[string(n)] = append(t.addrs[string(n)], addr)
		}
	}
	if t.names[addr] == nil {
		t.names[addr] = full
	}
	return true
}

// qualified is a name with the domain, if it has no dot of its own.
func qualified(domain filter.Name, name string) (filter.Name, bool) {
	n, err := filter.ParseName(name)
	if err != nil || n.IsRoot() {
		return nil, false
	}
	if n.Labels() == 1 && domain != nil {
		n = append(n[:len(n)-1:len(n)-1], domain...)
	}
	return n, len(n) <= filter.MaxNameLen
}

// bare is a name of the domain without it, nil for others.
func bare(full, domain filter.Name) filter.Name {
	if domain == nil || full.Labels() != domain.Labels()+1 || !full.IsBelow(domain) {
		return nil
	}
	return append(slices.Clone(full[:1+int(full[0])]), 0)
}

// plainLabel tells whether a device may have a name: letters, digits and inner
// hyphens, and none by which clients find services of the network on their own
// (CERT VU#598349: a device called wpad serves everybody's proxy settings).
func plainLabel(s string) bool {
	if s == "" || len(s) > filter.MaxLabelLen || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for _, c := range []byte(s) {
		if !('a' <= lower(c) && lower(c) <= 'z' || '0' <= c && c <= '9' || c == '-') {
			return false
		}
	}
	switch strings.ToLower(s) {
	case "wpad", "isatap", "localhost", "treehouse", "router", "gateway":
		return false
	}
	return true
}

// eachLine gives the fields of each line that has some; a "#" begins a comment.
func eachLine(r io.Reader, do func(fields []string)) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, localLineMax), localLineMax)
	for lines.Scan() {
		text, _, _ := strings.Cut(lines.Text(), "#")
		if fields := strings.Fields(text); len(fields) > 0 {
			do(fields)
		}
	}
	return lines.Err()
}
