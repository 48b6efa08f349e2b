package firewall

import (
	"encoding/binary"
	"net/netip"
	"syscall"
)

// The parts of linux/neighbour.h that package syscall does not have.
const (
	ndaDst    = 1 // the IP address
	ndaLLAddr = 2 // the MAC address

	ndmSize    = 12   // struct ndmsg
	ndmStateAt = 8    // where in it the state is, two bytes
	nudFailed  = 0x20 // the address did not answer: whose it was says nothing
)

// neighbours reads the kernel's neighbour table (ARP and IPv6 neighbour
// discovery): which addresses each MAC address has now. It needs no privilege.
func neighbours() (map[mac][]netip.Addr, error) {
	c, err := dial(syscall.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	defer c.close()
	var m message
	m.begin(syscall.RTM_GETNEIGH, syscall.NLM_F_DUMP, make([]byte, ndmSize)...)()
	if err := c.send(&m); err != nil {
		return nil, err
	}
	table := make(map[mac][]netip.Addr)
	err = c.receive(m.seq, func(kind uint16, body []byte) {
		if kind != syscall.RTM_NEWNEIGH || len(body) < ndmSize {
			return
		}
		if binary.NativeEndian.Uint16(body[ndmStateAt:])&nudFailed != 0 {
			return
		}
		link := attribute(body[ndmSize:], ndaLLAddr)
		addr, ok := netip.AddrFromSlice(attribute(body[ndmSize:], ndaDst))
		if len(link) == macLen && ok {
			table[mac(link)] = append(table[mac(link)], addr)
		}
	})
	return table, err
}
