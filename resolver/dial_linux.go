package resolver

import (
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sockets are UDP sockets that are open and have no port. Connecting one has
// the kernel draw a port by chance, and disconnecting gives it back: for the
// kernel, and for a forger, each question has a socket of its own, but opening
// and closing one would cost more than all else that a question takes.
type sockets struct {
	idle4, idle6 chan *socket
}

func newSockets() *sockets {
	return &sockets{idle4: make(chan *socket, socketsKept), idle6: make(chan *socket, socketsKept)}
}

// socket is a UDP socket, connected to an upstream while it is in use.
type socket struct {
	file   *os.File
	raw    syscall.RawConn
	home   chan *socket
	remote unix.RawSockaddrInet6 // the larger of the two families
	size   uintptr
	local  unix.RawSockaddrInet6
	broken bool
	errno  syscall.Errno
	reach  func(fd uintptr) // kept, so that no closure is made for each question
	leave  func(fd uintptr)
}

// dial connects a socket to an upstream, at a port that was not used of late.
func (p *sockets) dial(addr netip.AddrPort, ports *numbers) (net.Conn, error) {
	idle, family := p.idle4, unix.AF_INET
	if !addr.Addr().Is4() {
		idle, family = p.idle6, unix.AF_INET6
	}
	var c *socket
	select {
	case c = <-idle:
	default:
		var err error
		if c, err = open(family); err != nil {
			return nil, err
		}
		c.home = idle
	}
	c.size = sockaddr(&c.remote, addr)
	for range portTries {
		if err := c.raw.Control(c.reach); err != nil {
			return nil, err
		}
		if c.errno != 0 {
			c.file.Close()
			return nil, os.NewSyscallError("connect", c.errno)
		}
		if ports.fresh(port(&c.local)) {
			break
		}
		c.raw.Control(c.leave)
	}
	return c, nil
}

// open makes a socket that has no port yet.
func open(family int) (*socket, error) {
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	c := &socket{file: os.NewFile(uintptr(fd), "upstream")}
	if c.raw, err = c.file.SyscallConn(); err != nil {
		c.file.Close()
		return nil, err
	}
	c.reach = func(fd uintptr) {
		_, _, c.errno = unix.RawSyscall(unix.SYS_CONNECT, fd, uintptr(unsafe.Pointer(&c.remote)), c.size)
		if c.errno == 0 {
			size := uint32(unsafe.Sizeof(c.local))
			_, _, c.errno = unix.RawSyscall(unix.SYS_GETSOCKNAME, fd, uintptr(unsafe.Pointer(&c.local)), uintptr(unsafe.Pointer(&size)))
		}
	}
	c.leave = func(fd uintptr) {
		c.local.Family = unix.AF_UNSPEC
		_, _, c.errno = unix.RawSyscall(unix.SYS_CONNECT, fd, uintptr(unsafe.Pointer(&c.local)), unsafe.Sizeof(c.local))
	}
	return c, nil
}

// Close gives the port back and keeps the socket for another question.
func (c *socket) Close() error {
	if !c.broken && c.raw.Control(c.leave) == nil && c.errno == 0 {
		select {
		case c.home <- c:
			return nil
		default:
		}
	}
	return c.file.Close()
}

func (c *socket) Read(b []byte) (int, error) {
	n, err := c.file.Read(b)
	c.broken = c.broken || err != nil && !os.IsTimeout(err)
	return n, err
}

func (c *socket) Write(b []byte) (int, error) {
	n, err := c.file.Write(b)
	c.broken = c.broken || err != nil
	return n, err
}

func (c *socket) SetDeadline(t time.Time) error      { return c.file.SetDeadline(t) }
func (c *socket) SetReadDeadline(t time.Time) error  { return c.file.SetReadDeadline(t) }
func (c *socket) SetWriteDeadline(t time.Time) error { return c.file.SetWriteDeadline(t) }
func (c *socket) LocalAddr() net.Addr                { return net.UDPAddrFromAddrPort(addrPort(&c.local)) }
func (c *socket) RemoteAddr() net.Addr               { return net.UDPAddrFromAddrPort(addrPort(&c.remote)) }

// close closes the sockets that are idle.
func (p *sockets) close() {
	for {
		select {
		case c := <-p.idle4:
			c.file.Close()
		case c := <-p.idle6:
			c.file.Close()
		default:
			return
		}
	}
}

// sockaddr writes an address as the kernel takes it.
func sockaddr(to *unix.RawSockaddrInet6, addr netip.AddrPort) (size uintptr) {
	*to = unix.RawSockaddrInet6{}
	p := (*[2]byte)(unsafe.Pointer(&to.Port))
	p[0], p[1] = byte(addr.Port()>>8), byte(addr.Port())
	if addr.Addr().Is4() {
		to.Family = unix.AF_INET
		(*unix.RawSockaddrInet4)(unsafe.Pointer(to)).Addr = addr.Addr().As4()
		return unix.SizeofSockaddrInet4
	}
	to.Family, to.Addr = unix.AF_INET6, addr.Addr().As16()
	if i, err := net.InterfaceByName(addr.Addr().Zone()); err == nil {
		to.Scope_id = uint32(i.Index)
	}
	return unix.SizeofSockaddrInet6
}

// port is the port of a socket address.
func port(sa *unix.RawSockaddrInet6) uint16 {
	p := (*[2]byte)(unsafe.Pointer(&sa.Port)) // as on the wire
	return uint16(p[0])<<8 | uint16(p[1])
}
