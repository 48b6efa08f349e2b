package blocklists

import (
	"bytes"
	"net/netip"

	"github.com/treehouse-dns/treehouse/filter"
)

// parseDnsmasq reads the lines of a dnsmasq configuration that block:
//
//	address=/a/b/      address=/a/#      address=/a/0.0.0.0 (or ::, or loopback)
//	server=/a/         local=/a/         (answered locally, so not at all)
//	server=/a/#        an exception: back to the usual servers
//
// A name stands for itself and all below it. What sends a name to another
// address or server is no block and counted as such.
func parseDnsmasq(s *sink, line []byte) {
	line = uncomment(line, '#')
	if len(line) == 0 {
		return
	}
	key, value, ok := bytes.Cut(line, []byte{'='})
	first := bytes.IndexByte(value, '/')
	last := bytes.LastIndexByte(value, '/')
	if !ok || first != 0 || last == first {
		s.refuse(NotDNS)
		return
	}
	names, target := value[1:last], value[last+1:]
	mode := filter.Suffix
	switch string(bytes.TrimSpace(key)) {
	case "address":
		if !isNowhere(target) {
			s.refuse(NotDNS)
			return
		}
	case "server", "local":
		if len(target) == 1 && target[0] == '#' {
			mode = filter.Except
		} else if len(target) > 0 {
			s.refuse(NotDNS)
			return
		}
	default:
		s.refuse(NotDNS)
		return
	}
	for more := true; more; {
		var name []byte
		name, names, more = bytes.Cut(names, []byte{'/'})
		s.name(bytes.TrimPrefix(bytes.TrimPrefix(name, []byte{'*'}), []byte{'.'}), mode)
	}
}

// isNowhere tells an address that leads to no other machine: none, "#" (both
// null addresses), a null address, loopback.
func isNowhere(target []byte) bool {
	switch string(target) {
	case "", "#", "0.0.0.0", "127.0.0.1", "::":
		return true
	}
	address, err := netip.ParseAddr(string(target))
	return err == nil && (address.IsUnspecified() || address.IsLoopback())
}
