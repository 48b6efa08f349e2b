package firewall

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// Netlink (RFC 3549) as far as we need it: requests of nested attributes, sent
// over a socket of one kernel subsystem. Headers and attribute lengths are in
// the machine's byte order; what nf_tables and conntrack keep in attributes is
// in the network's.

// Limits of a conversation with the kernel.
const (
	// answerTimeout is how long the kernel may take. A transaction of the
	// largest size takes 0.1 s on a slow router.
	answerTimeout = 10 * time.Second
	// receiveBuffer holds one datagram of a dump; the kernel makes none over 32 KiB.
	receiveBuffer = 32 << 10
	// attributeLimit keeps an attribute under the 64 KiB that its 16-bit length
	// can say, with room for its headers.
	attributeLimit = 48 << 10
)

// nested marks an attribute that holds attributes.
const nested = 0x8000

// message writes netlink messages one behind the other, as a transaction wants
// them. The zero message is empty and ready.
type message struct {
	bytes []byte
	start int    // where in bytes the last message begins
	seq   uint32 // and its number
}

// begin starts a message; the returned function ends it. fixed is the
// protocol's own header before the attributes.
func (m *message) begin(kind, flags uint16, fixed ...byte) (end func()) {
	start := len(m.bytes)
	m.start = start
	m.seq++
	m.bytes = binary.NativeEndian.AppendUint32(m.bytes, 0) // the length, when it is known
	m.bytes = binary.NativeEndian.AppendUint16(m.bytes, kind)
	m.bytes = binary.NativeEndian.AppendUint16(m.bytes, flags|syscall.NLM_F_REQUEST)
	m.bytes = binary.NativeEndian.AppendUint32(m.bytes, m.seq)
	m.bytes = binary.NativeEndian.AppendUint32(m.bytes, 0) // to the kernel's port
	m.bytes = append(m.bytes, fixed...)
	return func() {
		binary.NativeEndian.PutUint32(m.bytes[start:], uint32(len(m.bytes)-start))
	}
}

// askAnswer has the kernel answer the last message even if all went well.
func (m *message) askAnswer() {
	const flagsAt = 6
	flags := binary.NativeEndian.Uint16(m.bytes[m.start+flagsAt:])
	binary.NativeEndian.PutUint16(m.bytes[m.start+flagsAt:], flags|syscall.NLM_F_ACK)
}

// nest writes an attribute that holds what inside writes.
func (m *message) nest(kind uint16, inside func()) {
	start := len(m.bytes)
	m.bytes = binary.NativeEndian.AppendUint16(m.bytes, 0)
	m.bytes = binary.NativeEndian.AppendUint16(m.bytes, kind|nested)
	inside()
	binary.NativeEndian.PutUint16(m.bytes[start:], uint16(len(m.bytes)-start))
}

// raw writes an attribute of bytes, padded to four as the next one wants.
func (m *message) raw(kind uint16, value []byte) {
	m.bytes = binary.NativeEndian.AppendUint16(m.bytes, uint16(4+len(value)))
	m.bytes = binary.NativeEndian.AppendUint16(m.bytes, kind)
	m.bytes = append(m.bytes, value...)
	for len(m.bytes)%4 != 0 {
		m.bytes = append(m.bytes, 0)
	}
}

func (m *message) text(kind uint16, s string) { m.raw(kind, append([]byte(s), 0)) }
func (m *message) u32(kind uint16, v uint32)  { m.raw(kind, binary.BigEndian.AppendUint32(nil, v)) }
func (m *message) u64(kind uint16, v uint64)  { m.raw(kind, binary.BigEndian.AppendUint64(nil, v)) }

// attributes calls yield for each attribute in b, nested mark taken off, until
// one is malformed.
func attributes(b []byte) func(yield func(kind uint16, value []byte) bool) {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= 4 {
			length := int(binary.NativeEndian.Uint16(b))
			kind := binary.NativeEndian.Uint16(b[2:])
			if length < 4 || length > len(b) || !yield(kind&^(nested|0x4000), b[4:length]) {
				return
			}
			b = b[min((length+3)&^3, len(b)):]
		}
	}
}

// attribute returns the value of the first attribute of the kind, or nil.
func attribute(b []byte, kind uint16) []byte {
	for k, value := range attributes(b) {
		if k == kind {
			return value
		}
	}
	return nil
}

// conversation is a netlink socket. One goroutine uses it, then closes it.
type conversation struct{ fd int }

// dial opens a socket to a kernel subsystem (syscall.NETLINK_…).
func dial(subsystem int) (*conversation, error) {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, subsystem)
	if err != nil {
		return nil, fmt.Errorf("%w: the kernel has no netlink for it (%v)", ErrUnavailable, err)
	}
	timeout := syscall.NsecToTimeval(int64(answerTimeout))
	err = errors.Join(
		syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &timeout),
		syscall.Bind(fd, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}),
	)
	if err != nil {
		syscall.Close(fd)
		return nil, os.NewSyscallError("netlink", err)
	}
	return &conversation{fd}, nil
}

func (c *conversation) close() { syscall.Close(c.fd) }

// send sends all messages as one datagram.
func (c *conversation) send(m *message) error {
	// The socket's buffer has to take the datagram whole. Growing it beyond the
	// system's limit takes the same permission as changing the rules does.
	force := syscall.SetsockoptInt(c.fd, syscall.SOL_SOCKET, syscall.SO_SNDBUFFORCE, 2*len(m.bytes)+4096)
	err := syscall.Sendto(c.fd, m.bytes, 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK})
	if errors.Is(err, syscall.EMSGSIZE) && force != nil {
		return errNoPermission
	}
	return os.NewSyscallError("netlink send", err)
}

var errNoPermission = fmt.Errorf("%w: changing it takes the capability CAP_NET_ADMIN, which this process does not have", ErrUnavailable)

// refusal is an error that the kernel answered a message with.
type refusal struct {
	seq   uint32
	errno syscall.Errno
}

func (r *refusal) Error() string { return r.errno.Error() }
func (r *refusal) Unwrap() error { return r.errno }

// receive hands each message that the kernel answers to each (its kind and what
// follows the header) until message last is acknowledged, a dump is done, or
// the kernel refuses, whichever comes first.
func (c *conversation) receive(last uint32, each func(kind uint16, body []byte)) error {
	buf := make([]byte, receiveBuffer)
	for {
		n, _, err := syscall.Recvfrom(c.fd, buf, 0)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN):
			return fmt.Errorf("the kernel has not answered within %s", answerTimeout)
		case err != nil:
			return os.NewSyscallError("netlink receive", err)
		}
		messages, err := syscall.ParseNetlinkMessage(buf[:n])
		if err != nil {
			return os.NewSyscallError("netlink receive", err)
		}
		for _, m := range messages {
			switch {
			case m.Header.Type == syscall.NLMSG_ERROR && len(m.Data) >= 4:
				if errno := -int32(binary.NativeEndian.Uint32(m.Data)); errno != 0 {
					return &refusal{m.Header.Seq, syscall.Errno(errno)}
				}
				if m.Header.Seq == last {
					return nil
				}
			case m.Header.Type == syscall.NLMSG_DONE:
				return nil
			case each != nil:
				each(m.Header.Type, m.Data)
			}
		}
	}
}
