package resolver

import (
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// canShare tells that several sockets may have one port, and the system deals
// the packets out among them.
const canShare = true

// prepareUDP sets what has to be set before a socket is bound.
func prepareUDP(raw syscall.RawConn, addr netip.Addr, share bool) error {
	var failed error
	err := raw.Control(func(fd uintptr) {
		if share {
			failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		}
		if !addr.IsUnspecified() { // there is but one address to reply from
			return
		}
		if addr.Is4() {
			failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
		} else {
			failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
		}
	})
	if err != nil {
		return err
	}
	return failed
}

// mmsghdr is the kernel's struct of that name. x/net would read in batches too,
// but makes an address of its own for every packet; here the address and the
// control message that came with a query are handed back with its reply, and
// nothing is allocated.
type mmsghdr struct {
	header unix.Msghdr
	length uint32
}

// batch reads with recvmmsg and writes with sendmmsg.
type batch struct {
	raw     syscall.RawConn
	in, out [batchSize]mmsghdr
	iovIn   [batchSize]unix.Iovec
	iovOut  [batchSize]unix.Iovec
	names   [batchSize]unix.RawSockaddrInet6 // the larger of the two families
	got     int                              // packets read last, whose headers the kernel has written to
	sent    int
	toSend  int
	errno   syscall.Errno
	reader  func(fd uintptr) bool // kept, so that no closure is made for each batch
	writer  func(fd uintptr) bool
}

// newBatch is nil where the system cannot, as under an emulator.
func newBatch(p *packets) *batch {
	raw, err := p.conn.SyscallConn()
	if err != nil {
		return nil
	}
	b := &batch{raw: raw, got: batchSize}
	b.reader, b.writer = b.recv, b.send
	for i := range b.in {
		t, h := &p.slots[i], &b.in[i].header
		b.iovIn[i].Base = &t.buffer[0]
		b.iovIn[i].SetLen(len(t.buffer))
		h.Name = (*byte)(unsafe.Pointer(&b.names[i]))
		h.Iov = &b.iovIn[i]
		h.SetIovlen(1)
		h.Control = &t.room[0]
	}
	var errno syscall.Errno
	raw.Control(func(fd uintptr) { // nothing to read or write: only whether it is known
		_, _, errno = unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&b.in[0])), 0, unix.MSG_DONTWAIT, 0, 0)
		if errno == 0 || errno == unix.EAGAIN {
			_, _, errno = unix.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&b.out[0])), 0, unix.MSG_DONTWAIT, 0, 0)
		}
	})
	if errno != 0 && errno != unix.EAGAIN {
		return nil
	}
	return b
}

func (b *batch) read(p *packets) error {
	for i := range b.in[:b.got] {
		b.in[i].header.Namelen = unix.SizeofSockaddrInet6
		b.in[i].header.SetControllen(oobSize)
	}
	b.got = 0
	if err := b.raw.Read(b.reader); err != nil {
		return err
	}
	if b.errno != 0 {
		return os.NewSyscallError("recvmmsg", b.errno)
	}
	p.count = b.got
	for i := range p.slots[:p.count] {
		t, m := &p.slots[i], &b.in[i]
		t.query.packet = t.buffer[:m.length]
		t.oob = replyFrom(t.room[:m.header.Controllen])
		t.query.source = addrPort(&b.names[i])
	}
	return nil
}

// recv reads what there is; false has the runtime wait until there is something.
func (b *batch) recv(fd uintptr) bool {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&b.in[0])), batchSize, unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case unix.EINTR, unix.ECONNREFUSED: // the latter is about a reply that was sent
			continue
		case unix.EAGAIN:
			return false
		}
		b.got, b.errno = int(n), errno
		return true
	}
}

func (b *batch) write(p *packets) error {
	b.toSend, b.sent = 0, 0
	for i := range p.slots[:p.count] {
		t := &p.slots[i]
		if t.reply == nil {
			continue
		}
		iov, h := &b.iovOut[b.toSend], &b.out[b.toSend].header
		iov.Base = &t.reply[0]
		iov.SetLen(len(t.reply))
		h.Name, h.Namelen = b.in[i].header.Name, b.in[i].header.Namelen
		h.Iov = iov
		h.SetIovlen(1)
		h.Control = nil
		if len(t.oob) > 0 {
			h.Control = &t.oob[0]
		}
		h.SetControllen(len(t.oob))
		b.toSend++
	}
	if b.toSend == 0 {
		return nil
	}
	return b.raw.Write(b.writer)
}

// send writes what is to be sent. A reply that the system will not send, to an
// address that is gone for instance, is passed over: packets get lost.
func (b *batch) send(fd uintptr) bool {
	for b.sent < b.toSend {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&b.out[b.sent])), uintptr(b.toSend-b.sent), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			b.sent += int(n)
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		default:
			b.sent++
		}
	}
	return true
}

// addrPort reads a socket address, without its zone: whoever knows the device
// knows it by its address.
func addrPort(sa *unix.RawSockaddrInet6) netip.AddrPort {
	p := port(sa)
	if sa.Family == unix.AF_INET {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), p)
	}
	return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), p)
}

// replyFrom turns the control message that told where a query came to into the
// one that has the reply leave from there. The interface is left to the routing
// table, but for link-local addresses.
func replyFrom(oob []byte) []byte {
	if len(oob) < unix.SizeofCmsghdr {
		return nil
	}
	h := (*unix.Cmsghdr)(unsafe.Pointer(&oob[0]))
	data := oob[unix.CmsgLen(0):]
	switch {
	case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
		(*unix.Inet4Pktinfo)(unsafe.Pointer(&data[0])).Ifindex = 0
		return oob[:unix.CmsgSpace(unix.SizeofInet4Pktinfo)]
	case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
		if info := (*unix.Inet6Pktinfo)(unsafe.Pointer(&data[0])); !netip.AddrFrom16(info.Addr).IsLinkLocalUnicast() {
			info.Ifindex = 0
		}
		return oob[:unix.CmsgSpace(unix.SizeofInet6Pktinfo)]
	}
	return nil
}

// zone is the zone of a link-local client, for a reply that is sent later.
func (b *batch) zone(i int) string {
	if b == nil || b.names[i].Family != unix.AF_INET6 || b.names[i].Scope_id == 0 {
		return ""
	}
	return strconv.Itoa(int(b.names[i].Scope_id))
}
