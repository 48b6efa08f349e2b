package resolver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

// Clients knows who is asking. Any number of goroutines call it at once, once
// per query, so it takes no lock that waits and allocates nothing.
type Clients interface {
	// Identify finds the policy for a device. source is where the query came
	// from, without a zone; id is what else is known of the device: the hardware
	// address that dnsmasq added over loopback, six bytes; or what Tokens gave
	// for its token, sixteen; or nil.
	Identify(source netip.Addr, id []byte) filter.Client
}

// Tokens knows the devices that may ask from anywhere. Any number of goroutines
// call it at once, with each query of such a device.
type Tokens interface {
	// Token tells whether a text is the token of a device, and what Identify and
	// Record know that device by. How long it takes tells nothing about tokens.
	Token(text string) (id [16]byte, ok bool)
}

// Observer is told of every verdict, for counts by topic. It never learns of
// lifeline names, nor which client met a sealed one (their Client is zero).
// Any number of goroutines call it at once.
type Observer interface {
	Observe(client filter.Client, v filter.Verdict)
}

// Journal is told of every name that was asked for, for who keeps the last block
// of a device for its own page, or looks for a fault. It never learns of lifeline
// or sealed names. source and id are as in Clients.Identify; name and id are
// lent for the call. Any number of goroutines call it at once, once per query.
type Journal interface {
	Record(source netip.Addr, id []byte, name filter.Name, v filter.Verdict, at time.Time)
}

// Local knows the names of the house: leases and hosts files. Any number of
// goroutines call it at once.
type Local interface {
	// Addresses gives the addresses of a name, and whether it is known at all.
	Addresses(name filter.Name) (addrs []netip.Addr, known bool)
	// NameOf gives the name of an address, nil if it has none.
	NameOf(addr netip.Addr) filter.Name
}

// Probes knows the names that a page has made up to see who asks for them. Any
// number of goroutines call it at once.
type Probes interface {
	// Asked tells it that the name with a label right below a probe domain was
	// asked for, and gives whether it knows that label. source and id are as in
	// Clients.Identify; label and id are lent for the call.
	Asked(source netip.Addr, id []byte, label []byte, ipv6 bool) (known bool)
}

// probeLabel is the label below each of Config.OwnNames that probe names are below.
const probeLabel = "probe"

// BlockMode is how a blocked name is answered.
type BlockMode uint8

// The modes. The zero mode is the one browsers take best: an address that
// leads nowhere, which is no private address of anybody's.
const (
	BlockNull     BlockMode = iota // 0.0.0.0 and ::, NODATA for other types
	BlockNXDOMAIN                  // there is no such name
	BlockRefused                   // REFUSED
	BlockAddress                   // the addresses of Config.BlockAddresses
)

// Strategy is how one of several upstreams is chosen.
type Strategy uint8

// The strategies.
const (
	InOrder  Strategy = iota // the first that works
	Fastest                  // the one that answers soonest, and now and then another to find out
	Parallel                 // two at once; the first good answer wins
)

// Upstream is a resolver that is asked.
type Upstream struct {
	Addr netip.AddrPort
	TCP  bool // ask over TCP only
}

// Route sends the names below some domains to upstreams of their own.
type Route struct {
	Domains   []filter.Name // reverse zones too
	Upstreams []Upstream
	Strategy  Strategy
	// Private lets the answers hold private addresses, as a server in the
	// house will give.
	Private bool
}

// Secret is DNS over TLS (RFC 7858) and over HTTPS (RFC 8484). A device that is
// not at home shows a token: the first label of the server name it connects to
// (SNI), or the end of the path below /dns-query/. Without one, whoever is in
// Config.Networks is known by the address, as over UDP, and nobody else gets an
// answer.
type Secret struct {
	TLS   []netip.AddrPort // usually port 853
	HTTPS []netip.AddrPort // usually port 443
	// Certificate gives the certificate to show; an error refuses the connection.
	// It is called for each, by any number of goroutines at once. Required.
	Certificate func() (*tls.Certificate, error)
	Tokens      Tokens // nil: no device asks from outside
}

// Config is everything a Server is told. Zero fields mean the default that the
// field's comment names.
type Config struct {
	Listen []netip.AddrPort // UDP and TCP both; none: only Handle answers

	Secret Secret // zero: neither TLS nor HTTPS

	Upstreams []Upstream
	Strategy  Strategy
	Routes    []Route // the longest domain that fits wins

	CacheBytes int // default 4 MiB, least 256 KiB

	BlockMode      BlockMode
	BlockAddresses []netip.Addr // for BlockAddress
	BlockTTL       uint32       // seconds; default 10

	// Networks are those whose queries are answered; any other source gets no
	// byte. Default: loopback, private, unique local and link-local.
	Networks []netip.Prefix
	// Rate is how many queries a second one client may send over UDP before it
	// is sent to TCP, which cannot be forged. Default 1000; negative: no limit.
	Rate int

	// OwnNames are the names of the pages, treehouse.home.arpa: always answered.
	OwnNames     []filter.Name
	OwnAddresses []netip.Addr
	// Probes knows names below probe.treehouse.home.arpa and its like, which lead
	// where OwnNames do; nil: there are none.
	Probes Probes
	// Local is the names of the house; nil: none.
	Local Local
	// LocalDomains are the domains those names are in ("lan"): what Local does
	// not know there does not exist.
	LocalDomains []filter.Name

	// RebindingAllowed are domains whose answers may hold private addresses.
	RebindingAllowed []filter.Name
	// RebindingOff lets every answer hold private addresses.
	RebindingOff bool
	// CanariesOff answers use-application-dns.net and the like as any name.
	CanariesOff bool

	Filter   *filter.Live // required
	Clients  Clients      // required
	Observer Observer     // nil: nobody
	Journal  Journal      // nil: nobody
	Logger   *slog.Logger // default: discard

	// Now is the clock; default time.Now. TTLs are counted by differences, so
	// a clock that is set at boot does no harm as long as Now's times carry
	// the monotonic reading.
	Now func() time.Time
	// Dial reaches an upstream over "udp" or "tcp"; default real sockets, for
	// UDP one of a random port for each query.
	Dial func(ctx context.Context, network string, addr netip.AddrPort) (net.Conn, error)
}

const (
	cacheDefault = 4 << 20 // bytes: some 25,000 answers, a month of one home's names
	rateDefault  = 1000    // queries a second: ten times what a busy laptop sends
)

// lan is who is answered unless the configuration says otherwise. The addresses
// that providers share among customers (RFC 6598) are not in it: to a router
// they are the outside.
func lan() []netip.Prefix {
	var out []netip.Prefix
	for _, p := range []string{
		"127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
		"::1/128", "fc00::/7", "fe80::/10",
	} {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

// checked fills in the defaults and says what is wrong, one sentence a field.
func (c Config) checked() (Config, error) {
	var wrong []error
	if c.Filter == nil {
		wrong = append(wrong, errors.New("resolver: Filter is missing"))
	}
	if c.Clients == nil {
		wrong = append(wrong, errors.New("resolver: Clients is missing"))
	}
	if c.Secret.Certificate == nil && len(c.Secret.TLS)+len(c.Secret.HTTPS) > 0 {
		wrong = append(wrong, errors.New("resolver: DNS over TLS and HTTPS need a certificate; give one in Secret.Certificate"))
	}
	if c.BlockMode == BlockAddress && len(c.BlockAddresses) == 0 {
		wrong = append(wrong, errors.New("resolver: the address mode for blocked names needs an address; give one or choose another mode"))
	}
	check := func(where string, ups []Upstream) {
		for _, u := range ups {
			if !u.Addr.IsValid() || u.Addr.Port() == 0 {
				wrong = append(wrong, fmt.Errorf("resolver: %s: %q is no address and port; write it like 192.0.2.1:53", where, u.Addr))
			}
		}
	}
	check("upstreams", c.Upstreams)
	for _, r := range c.Routes {
		if len(r.Domains) == 0 {
			wrong = append(wrong, errors.New("resolver: a route has no domains; say which names it is for"))
		}
		check("route "+r.label(), r.Upstreams)
	}
	if c.CacheBytes == 0 {
		c.CacheBytes = cacheDefault
	}
	if c.BlockTTL == 0 {
		c.BlockTTL = ttlBlocked
	}
	if c.Networks == nil {
		c.Networks = lan()
	}
	if c.Rate == 0 {
		c.Rate = rateDefault
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, errors.Join(wrong...)
}

// label names a route in messages.
func (r Route) label() string {
	if len(r.Domains) == 0 {
		return "without domains"
	}
	return r.Domains[0].String()
}
