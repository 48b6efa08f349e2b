package household

import (
	"encoding/binary"
	"net/netip"
	"testing"
)

// neighbour is one RTM_NEWNEIGH message as the kernel writes it, in this
// machine's byte order.
func neighbour(state uint16, addr netip.Addr, mac []byte) []byte {
	body := make([]byte, 12)
	binary.NativeEndian.PutUint16(body[8:], state)
	attribute := func(kind uint16, value []byte) {
		head := make([]byte, 4)
		binary.NativeEndian.PutUint16(head, uint16(4+len(value)))
		binary.NativeEndian.PutUint16(head[2:], kind)
		body = append(append(body, head...), value...)
		for len(body)%4 != 0 {
			body = append(body, 0)
		}
	}
	attribute(1, addr.AsSlice())
	attribute(2, mac)
	message := make([]byte, 16)
	binary.NativeEndian.PutUint32(message, uint32(16+len(body)))
	binary.NativeEndian.PutUint16(message[4:], 28) // RTM_NEWNEIGH
	return append(message, body...)
}

func TestParseNeighbours(t *testing.T) {
	var dump []byte
	dump = append(dump, neighbour(0x02, anaAddr, anaMAC[:])...)         // reachable
	dump = append(dump, neighbour(0x20, mariaAddr, mariaMAC[:])...)     // failed
	dump = append(dump, neighbour(0x40, mariaAddr, mariaMAC[:])...)     // needs no ARP: multicast
	dump = append(dump, neighbour(0x04, slaac, anaMAC[:])...)           // stale
	dump = append(dump, neighbour(0x02, mariaAddr, []byte{1, 2, 3})...) // no Ethernet
	dump = append(dump, neighbour(0x02, mariaAddr, make([]byte, 6))...) // no MAC yet
	table := map[netip.Addr]MAC{}
	must(t, parseNeighbours(dump, func(a netip.Addr, m MAC) bool { table[a] = m; return true }))
	if len(table) != 2 || table[anaAddr] != anaMAC || table[slaac] != anaMAC {
		t.Errorf("%v", table)
	}
}

func FuzzParseNeighbours(f *testing.F) {
	f.Add(neighbour(2, anaAddr, anaMAC[:]))
	f.Add(neighbour(2, slaac, anaMAC[:])[:40])
	f.Fuzz(func(t *testing.T, dump []byte) {
		_ = parseNeighbours(dump, func(addr netip.Addr, mac MAC) bool {
			if !addr.IsValid() || mac == (MAC{}) {
				t.Errorf("%s is at %s", addr, mac)
			}
			return true
		})
	})
}
