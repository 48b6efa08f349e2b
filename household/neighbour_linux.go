package household

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
)

// From linux/neighbour.h and linux/rtnetlink.h; the syscall package lacks them.
const (
	ndaDst      = 1 // NDA_DST
	ndaLLAddr   = 2 // NDA_LLADDR
	nudFailed   = 0x20
	nudNoARP    = 0x40
	groupNeigh  = 1 << 2 // RTMGRP_NEIGH
	sizeofNdMsg = 12     // struct ndmsg
)

// receiveBytes is one read from netlink; the kernel sends a dump in pieces of at
// most 32 KiB (NLMSG_GOODSIZE is smaller).
const receiveBytes = 32 << 10

// KernelNeighbours is the neighbour table of the kernel, over rtnetlink.
type KernelNeighbours struct{}

// Table reads the whole table, IPv4 and IPv6.
func (KernelNeighbours) Table() (map[netip.Addr]MAC, error) {
	dump, err := syscall.NetlinkRIB(syscall.RTM_GETNEIGH, syscall.AF_UNSPEC)
	if err != nil {
		return nil, fmt.Errorf("the kernel's neighbour table cannot be read: %w", os.NewSyscallError("netlink", err))
	}
	table := map[netip.Addr]MAC{}
	err = parseNeighbours(dump, func(addr netip.Addr, mac MAC) bool {
		table[addr] = mac
		return len(table) < maxNeighbours
	})
	return table, err
}

// parseNeighbours reads a dump of RTM_NEWNEIGH messages.
func parseNeighbours(dump []byte, add func(netip.Addr, MAC) bool) error {
	messages, err := syscall.ParseNetlinkMessage(dump)
	if err != nil {
		return fmt.Errorf("the kernel's neighbour table cannot be understood: %w", err)
	}
	for _, m := range messages {
		if m.Header.Type != syscall.RTM_NEWNEIGH || len(m.Data) < sizeofNdMsg {
			continue
		}
		if state := binary.NativeEndian.Uint16(m.Data[8:]); state&(nudFailed|nudNoARP) != 0 {
			continue
		}
		addr, mac := neighbourAttributes(m.Data[sizeofNdMsg:])
		if addr.IsValid() && mac != (MAC{}) && !add(addr, mac) {
			break
		}
	}
	return nil
}

// neighbourAttributes reads the attributes after struct ndmsg (rtnetlink(7)).
func neighbourAttributes(b []byte) (addr netip.Addr, mac MAC) {
	for len(b) >= syscall.SizeofRtAttr {
		length := int(binary.NativeEndian.Uint16(b))
		kind := binary.NativeEndian.Uint16(b[2:])
		if length < syscall.SizeofRtAttr || length > len(b) {
			break
		}
		value := b[syscall.SizeofRtAttr:length]
		switch kind {
		case ndaDst:
			if a, ok := netip.AddrFromSlice(value); ok {
				addr = a.Unmap()
			}
		case ndaLLAddr:
			if len(value) == len(mac) {
				mac = MAC(value)
			}
		}
		next := (length + syscall.RTA_ALIGNTO - 1) &^ (syscall.RTA_ALIGNTO - 1)
		b = b[min(next, len(b)):]
	}
	return addr, mac
}

// Changes listens to the kernel's neighbour group.
func (KernelNeighbours) Changes(ctx context.Context) (<-chan struct{}, error) {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, syscall.NETLINK_ROUTE)
	if err == nil {
		if err = syscall.Bind(fd, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK, Groups: groupNeigh}); err != nil {
			syscall.Close(fd)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the kernel does not tell of new neighbours: %w", os.NewSyscallError("netlink", err))
	}
	socket := os.NewFile(uintptr(fd), "rtnetlink") // non-blocking: read through the poller
	changes := make(chan struct{}, 1)
	stop := context.AfterFunc(ctx, func() { socket.Close() })
	go func() {
		defer close(changes)
		defer stop()
		defer socket.Close()
		buf := make([]byte, receiveBytes)
		for {
			// What the message says does not matter: the table is read anew. An
			// overrun (ENOBUFS) says the same.
			if _, err := socket.Read(buf); err != nil && !isOverrun(err) {
				return
			}
			select {
			case changes <- struct{}{}:
			default:
			}
		}
	}()
	return changes, nil
}

func isOverrun(err error) bool { return errors.Is(err, syscall.ENOBUFS) }
