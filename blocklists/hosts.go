package blocklists

import (
	"bytes"
	"net/netip"
)

// parseHosts reads a line of /etc/hosts: an address and one or more names, "#"
// begins a comment. Whatever the address is, the names are what the list means.
// The names that every machine has for itself are passed over in silence.
func parseHosts(s *sink, line []byte) {
	line = uncomment(line, '#')
	address, names := field(line)
	if len(address) == 0 {
		return
	}
	if len(names) == 0 || !isAddress(address) {
		if len(names) == 0 && !isAddress(address) {
			s.plain(address) // a plain name among hosts: the list's author forgot the address
			return
		}
		s.refuse(NotAName)
		return
	}
	for len(names) > 0 {
		var name []byte
		name, names = field(names)
		if !isLocal(name) {
			s.plain(name)
		}
	}
}

// isAddress tells whether text is an IPv4 or IPv6 address, with or without a zone.
func isAddress(text []byte) bool {
	if string(text) == "0.0.0.0" || string(text) == "127.0.0.1" {
		return true // what nearly every line begins with, without making a string of it
	}
	if len(text) == 0 || len(text) > 64 || text[0] != ':' && (text[0] < '0' || text[0] > '9') && bytes.IndexByte(text, ':') < 0 {
		return false
	}
	_, err := netip.ParseAddr(string(text))
	return err == nil
}

// isLocal tells the names that the hosts file of a machine has for itself.
func isLocal(name []byte) bool {
	switch string(name) {
	case "localhost", "localhost.localdomain", "local", "localdomain", "broadcasthost", "0.0.0.0",
		"localhost4", "localhost6", "localhost4.localdomain4", "localhost6.localdomain6",
		"ip6-localhost", "ip6-loopback", "ip6-localnet", "ip6-mcastprefix", "ip6-allnodes", "ip6-allrouters", "ip6-allhosts":
		return true
	}
	return false
}
