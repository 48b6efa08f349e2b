package firewall

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// nf_tables in netlink, as far as our table needs it. The numbers are those of
// linux/netfilter/nfnetlink.h and nf_tables.h, under our own names.
const (
	subsysConntrack = 1
	subsysNFTables  = 10

	nfnetlinkV0 = 0
	nfgenSize   = 4 // struct nfgenmsg: family, version, a 16-bit id

	batchBegin = 0x10
	batchEnd   = 0x11

	newTable   = subsysNFTables<<8 | 0
	delTable   = subsysNFTables<<8 | 2
	newChain   = subsysNFTables<<8 | 3
	newRule    = subsysNFTables<<8 | 6
	newSet     = subsysNFTables<<8 | 9
	newElement = subsysNFTables<<8 | 12

	familyInet = 1 // IPv4 and IPv6 in one table
	familyIPv4 = 2
	familyIPv6 = 10

	// Every expression computes in this register (the first of 16 bytes); a rule
	// loads and compares, one after the other.
	register        = 1
	verdictRegister = 0

	hookPrerouting = 0
	hookForward    = 2

	verdictDrop = 0
	verdictJump = -3

	listElement = 1

	setInterval = 0x04
	setTimeout  = 0x10
	endOfRun    = 0x01 // the element is the first address after an interval
)

// setType is what the elements of a set are, by nft's numbers, so that
// `nft list ruleset` shows them as people know them.
type setType struct {
	number, length uint32
}

var (
	ipv4Addr  = setType{7, 4}
	ipv6Addr  = setType{8, 16}
	etherAddr = setType{9, macLen}
)

// transaction is a batch of changes to the kernel's rules: all or none.
type transaction struct {
	message
	about []string // what each message, by its number, was to make
	sets  uint32   // made so far; the kernel wants a number for each
}

func newTransaction() *transaction {
	t := &transaction{about: []string{""}}
	// The batch names its subsystem where other messages have a zero, big-endian.
	t.add("nf_tables", batchBegin, 0, syscall.AF_UNSPEC, 0, subsysNFTables, nil)
	return t
}

// add writes one message with its attributes, and notes what it was about.
func (t *transaction) add(about string, kind, flags uint16, family, idHigh, idLow byte, attributes func()) {
	end := t.begin(kind, flags, family, nfnetlinkV0, idHigh, idLow)
	if attributes != nil {
		attributes()
	}
	end()
	t.about = append(t.about, about)
}

// change is add for what goes into our table.
func (t *transaction) change(about string, kind, flags uint16, attributes func()) {
	t.add(about, kind, flags, familyInet, 0, 0, attributes)
}

// commit sends the transaction and waits for the kernel's word.
func (t *transaction) commit() error {
	// The last change asks for an answer and stands in for all before it: what is
	// refused is answered in any case, and first.
	t.askAnswer()
	acknowledged := t.seq
	t.add("nf_tables", batchEnd, 0, syscall.AF_UNSPEC, 0, subsysNFTables, nil)

	c, err := dial(syscall.NETLINK_NETFILTER)
	if err != nil {
		return err
	}
	defer c.close()
	if err := c.send(&t.message); err != nil {
		return err
	}
	return t.explain(c.receive(acknowledged, nil))
}

// table writes the message that makes or deletes our table.
func (t *transaction) table(kind, flags uint16) {
	t.change("table inet "+tableName, kind, flags, func() { t.text(1, tableName) })
}

// chain makes a chain that others jump to.
func (t *transaction) chain(name string) {
	t.change("chain "+name, newChain, syscall.NLM_F_CREATE, func() {
		t.text(1, tableName)
		t.text(3, name)
	})
}

// baseChain makes a chain that packets meet at a hook.
func (t *transaction) baseChain(name, kind string, hook uint32, priority int32) {
	t.change("chain "+name, newChain, syscall.NLM_F_CREATE, func() {
		t.text(1, tableName)
		t.text(3, name)
		t.nest(4, func() {
			t.u32(1, hook)
			t.u32(2, uint32(priority))
		})
		t.text(7, kind)
	})
}

// set makes a set; the elements follow.
func (t *transaction) set(name string, of setType, flags uint32) {
	t.sets++
	t.change("set "+name, newSet, syscall.NLM_F_CREATE, func() {
		t.text(1, tableName)
		t.text(2, name)
		t.u32(3, flags)
		t.u32(4, of.number)
		t.u32(5, of.length)
		t.u32(10, t.sets)
	})
}

// element is one element of a set.
type element struct {
	key   []byte
	flags uint32
	ends  time.Duration // 0: never
}

// elements puts elements into a set, in as many messages as they need.
func (t *transaction) elements(set string, list []element) {
	for len(list) > 0 {
		t.change("the elements of set "+set, newElement, syscall.NLM_F_CREATE, func() {
			t.text(1, tableName)
			t.text(2, set)
			t.nest(3, func() {
				for start := len(t.bytes); len(list) > 0 && len(t.bytes)-start < attributeLimit; list = list[1:] {
					t.element(list[0])
				}
			})
		})
	}
}

func (t *transaction) element(e element) {
	t.nest(listElement, func() {
		t.nest(1, func() { t.raw(1, e.key) })
		if e.flags != 0 {
			t.u32(3, e.flags)
		}
		if e.ends != 0 {
			t.u64(4, uint64(e.ends.Milliseconds()))
		}
	})
}

// rule appends a rule to a chain.
func (t *transaction) rule(chain string, parts ...expressions) {
	t.change("a rule in chain "+chain, newRule, syscall.NLM_F_CREATE|syscall.NLM_F_APPEND, func() {
		t.text(1, tableName)
		t.text(2, chain)
		t.nest(4, func() {
			for _, part := range parts {
				part(t)
			}
		})
	})
}

// expressions is a piece of a rule: one match or one action, which is one or
// more expressions of the kernel's little machine.
type expressions func(t *transaction)

// expression writes one.
func (t *transaction) expression(name string, attributes func()) {
	t.nest(listElement, func() {
		t.text(1, name)
		t.nest(2, attributes)
	})
}

// The facts about a packet that `meta` loads.
const (
	metaInInterfaceName = 6
	metaInInterfaceType = 8
	metaFamily          = 15
	metaProtocol        = 16
)

// Where in a packet `payload` reads.
const (
	atLink      = 0
	atNetwork   = 1
	atTransport = 2
)

func (t *transaction) loadMeta(fact uint32) {
	t.expression("meta", func() { t.u32(1, register); t.u32(2, fact) })
}

func (t *transaction) loadPayload(base, offset, length uint32) {
	t.expression("payload", func() {
		t.u32(1, register)
		t.u32(2, base)
		t.u32(3, offset)
		t.u32(4, length)
	})
}

// equal goes on with the rule where the register holds value.
func (t *transaction) equal(value ...byte) {
	t.expression("cmp", func() {
		t.u32(1, register)
		t.u32(2, 0)
		t.nest(3, func() { t.raw(1, value) })
	})
}

// in goes on with the rule where the register is in the set.
func (t *transaction) in(set string) {
	t.expression("lookup", func() { t.text(1, set); t.u32(2, register) })
}

// fromInterface matches packets that came in on an interface.
func fromInterface(name string) expressions {
	return func(t *transaction) {
		t.loadMeta(metaInInterfaceName)
		t.equal(append([]byte(name), make([]byte, maxInterfaceName+1-len(name))...)...)
	}
}

// fromMAC matches packets whose sender's MAC address is in the set.
func fromMAC(set string) expressions {
	const arphrdEther = 1
	return func(t *transaction) {
		t.loadMeta(metaInInterfaceType) // what comes through a tunnel has no MAC addresses to read
		t.equal(binary.NativeEndian.AppendUint16(nil, arphrdEther)...)
		t.loadPayload(atLink, 6, macLen)
		t.in(set)
	}
}

// Where the addresses are in an IP header.
func fromIPv4(set string) expressions { return address(familyIPv4, 12, 4, set) }
func fromIPv6(set string) expressions { return address(familyIPv6, 8, 16, set) }
func toIPv4(set string) expressions   { return address(familyIPv4, 16, 4, set) }
func toIPv6(set string) expressions   { return address(familyIPv6, 24, 16, set) }

func address(family byte, offset, length uint32, set string) expressions {
	return func(t *transaction) {
		t.loadMeta(metaFamily)
		t.equal(family)
		t.loadPayload(atNetwork, offset, length)
		t.in(set)
	}
}

// toPort matches packets of a protocol to a port.
func toPort(protocol byte, port uint16) expressions {
	return func(t *transaction) {
		t.loadMeta(metaProtocol)
		t.equal(protocol)
		t.loadPayload(atTransport, 2, 2)
		t.equal(binary.BigEndian.AppendUint16(nil, port)...)
	}
}

// redirect sends the packet to a port of this machine.
func redirect(port uint16) expressions {
	return func(t *transaction) {
		t.expression("immediate", func() {
			t.u32(1, register)
			t.nest(2, func() { t.raw(1, binary.BigEndian.AppendUint16(nil, port)) })
		})
		t.expression("redir", func() { t.u32(1, register) })
	}
}

// refuse answers at once: TCP with a reset, the rest with "port unreachable",
// in IPv4's or IPv6's words.
func refuse(protocol byte) expressions {
	const (
		withReset       = 1
		withICMPx       = 2
		portUnreachable = 1
	)
	return func(t *transaction) {
		t.expression("reject", func() {
			if protocol == syscall.IPPROTO_TCP {
				t.u32(1, withReset)
				return
			}
			t.u32(1, withICMPx)
			t.raw(2, []byte{portUnreachable})
		})
	}
}

// verdict ends the rule; chain is where a jump goes.
func verdict(code int32, chain string) expressions {
	return func(t *transaction) {
		t.expression("immediate", func() {
			t.u32(1, verdictRegister)
			t.nest(2, func() {
				t.nest(2, func() {
					t.u32(1, uint32(code))
					if chain != "" {
						t.text(2, chain)
					}
				})
			})
		})
	}
}

func drop() expressions             { return verdict(verdictDrop, "") }
func jump(chain string) expressions { return verdict(verdictJump, chain) }

// explain puts a kernel's refusal into words.
func (t *transaction) explain(err error) error {
	var r *refusal
	if !errors.As(err, &r) {
		return err
	}
	about := "the transaction"
	if int(r.seq) < len(t.about) {
		about = t.about[r.seq]
	}
	switch r.errno {
	case syscall.EPERM, syscall.EACCES:
		return errNoPermission
	case syscall.ENOENT, syscall.EOPNOTSUPP, syscall.EAFNOSUPPORT, syscall.EPROTONOSUPPORT:
		return fmt.Errorf("%w: the kernel cannot do %s (%w); on OpenWrt, install kmod-nft-core and kmod-nft-nat", ErrUnavailable, about, r.errno)
	}
	return fmt.Errorf("the kernel refused %s: %w; the rules are as before", about, r.errno)
}
