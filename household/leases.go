package household

import (
	"bufio"
	"encoding/hex"
	"io"
	"net/netip"
	"strings"
)

const (
	// maxLeases is how many lines of a lease file are read: more than the
	// devices a household may have, less than a file that was filled on purpose.
	maxLeases = 4096
	// maxLeaseLine in bytes; dnsmasq writes at most a few hundred.
	maxLeaseLine = 4096
)

// ReadLeases reads the lease file of dnsmasq or of odhcpd; they may be mixed. A
// line it cannot read is left out: the file is written while it is read, and
// host names in it come from the devices.
//
// dnsmasq: "expiry MAC IP name client-id", where * is none; after a line "duid …"
// IPv6 leases with the IAID in the MAC's place and the DUID last.
//
// odhcpd: "# interface DUID IAID name validity assigned length IP/len …", where
// an IPv4 lease has the MAC in the DUID's place and "ipv4" for the IAID.
func ReadLeases(r io.Reader) ([]Lease, error) {
	var leases []Lease
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, maxLeaseLine), maxLeaseLine)
	for lines.Scan() && len(leases) < maxLeases {
		fields := strings.Fields(lines.Text())
		if len(fields) > 0 && fields[0] == "#" {
			leases = append(leases, odhcpdLeases(fields)...)
		} else if l, ok := dnsmasqLease(fields); ok {
			leases = append(leases, l)
		}
	}
	return leases[:min(len(leases), maxLeases)], lines.Err()
}

func dnsmasqLease(fields []string) (l Lease, ok bool) {
	if len(fields) < 4 {
		return l, false
	}
	addr, err := netip.ParseAddr(fields[2])
	if err != nil {
		return l, false
	}
	l.Addr = addr.Unmap()
	if addr.Is4() {
		// dnsmasq puts the hardware type before a MAC that is not Ethernet's.
		if l.MAC, err = ParseMAC(fields[1]); err != nil {
			return Lease{}, false
		}
	}
	if fields[3] != "*" {
		l.Host = CleanName(fields[3])
	}
	if len(fields) > 4 && fields[4] != "*" {
		l.Client = clientID(fields[4])
	}
	return l, l.MAC != (MAC{}) || l.Client != ""
}

func odhcpdLeases(fields []string) (leases []Lease) {
	const first = 8 // the first field that is an address
	if len(fields) <= first {
		return nil
	}
	var l Lease
	if fields[3] == "ipv4" {
		raw, err := hex.DecodeString(fields[2])
		if err != nil || len(raw) != len(MAC{}) {
			return nil
		}
		l.MAC = MAC(raw)
	} else if l.Client = clientID(fields[2]); l.Client == "" {
		return nil
	}
	if fields[4] != "-" {
		l.Host = CleanName(fields[4])
	}
	for _, f := range fields[first:] {
		text, _, _ := strings.Cut(f, "/")
		if addr, err := netip.ParseAddr(text); err == nil {
			l.Addr = addr.Unmap()
			leases = append(leases, l)
		}
	}
	return leases
}

// clientID writes a client identifier or DUID in hex without colons, or "" if it
// is none.
func clientID(s string) string {
	s = strings.ToLower(strings.ReplaceAll(s, ":", ""))
	if len(s) > maxClientID {
		return ""
	}
	if _, err := hex.DecodeString(s); err != nil {
		return ""
	}
	return s
}
