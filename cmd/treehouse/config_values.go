package main

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

// How one value is read: an option that is written wrong is named with its place,
// and the zero value stands in for it until all of them have been read.

func (r *configReader) text(key string) string {
	s, ok := r.v.Get(key).(string)
	if !ok || s == "" {
		r.bad(key, "this should be text")
	}
	return s
}

// optional reads text that may be empty.
func (r *configReader) optional(key string) string {
	s, ok := r.v.Get(key).(string)
	if !ok {
		r.bad(key, "this should be text: put it in quotes")
	}
	return s
}

// texts reads a list: a YAML list, or words separated by commas.
func (r *configReader) texts(key string) []string {
	var out []string
	switch v := r.v.Get(key).(type) {
	case nil:
	case string:
		for _, s := range strings.Split(v, ",") {
			if s = strings.TrimSpace(s); s != "" {
				out = append(out, s)
			}
		}
	case []any:
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				r.bad(key, "%v should be text: put it in quotes", e)
				continue
			}
			out = append(out, s)
		}
	case []string: // from a flag
		out = v
	default:
		r.bad(key, "this should be a list, such as [a, b]")
	}
	return out
}

func parseEach[T any](r *configReader, key string, parse func(string) (T, error)) []T {
	var out []T
	for _, s := range r.texts(key) {
		v, err := parse(s)
		if err != nil {
			r.bad(key, "%v", err)
			continue
		}
		out = append(out, v)
	}
	return out
}

func (r *configReader) oneOf(key string, choices ...string) string {
	s, _ := r.v.Get(key).(string)
	if !slices.Contains(choices, s) {
		r.bad(key, "%q is not one of %s", fmt.Sprint(r.v.Get(key)), strings.Join(choices, ", "))
	}
	return s
}

func (r *configReader) boolean(key string) bool {
	b, err := strconv.ParseBool(fmt.Sprint(r.v.Get(key)))
	if err != nil {
		r.bad(key, "%q is neither true nor false", fmt.Sprint(r.v.Get(key)))
	}
	return b
}

func (r *configReader) duration(key string, least, most time.Duration) time.Duration {
	raw := fmt.Sprint(r.v.Get(key))
	d, err := time.ParseDuration(raw)
	switch {
	case raw == "0":
		d, err = 0, nil
	case err != nil:
		r.bad(key, "%q is not a length of time; write it as 10s, 5m or 24h", raw)
		return 0
	}
	if d < least || d > most {
		r.bad(key, "%s is outside %s to %s", raw, least, most)
	}
	return d
}

func (r *configReader) bytes(key string, least, most int64) int64 {
	raw := fmt.Sprint(r.v.Get(key))
	n, err := parseBytes(raw)
	if err != nil {
		r.bad(key, "%v", err)
		return least
	}
	if n < least || n > most {
		r.bad(key, "%s is outside %s to %s", raw, formatBytes(least), formatBytes(most))
	}
	return n
}

// listens reads addresses to bind; each may be several.
func (r *configReader) listens(key string) []netip.AddrPort {
	return slices.Concat(parseEach(r, key, parseListen)...)
}

// parseListen reads one address with its port. A port alone is the wildcards of
// both families: a socket of one does not hear the other.
func parseListen(s string) ([]netip.AddrPort, error) {
	hosts := []string{""}
	if strings.HasPrefix(s, ":") {
		hosts = []string{"0.0.0.0", "[::]"}
	}
	var out []netip.AddrPort
	for _, host := range hosts {
		a, err := netip.ParseAddrPort(host + s)
		if err != nil {
			return nil, fmt.Errorf("%q is not an address with a port, such as 127.0.0.1:5353, [::1]:53 or :53", s)
		}
		out = append(out, a)
	}
	return out, nil
}

func parseAddr(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return a, fmt.Errorf("%q is not an address, such as 192.168.1.1", s)
	}
	return a, nil
}

func parseDomain(s string) (filter.Name, error) {
	name, err := filter.ParseName(s)
	if err != nil {
		return nil, fmt.Errorf("%q is not a domain: %w", s, err)
	}
	return name, nil
}

// maxInterface is the longest name of a network interface in Linux, in bytes.
const maxInterface = 15

func parseInterface(s string) (string, error) {
	if s == "" || len(s) > maxInterface || strings.ContainsAny(s, " /*") {
		return "", fmt.Errorf("%q is not the name of a network interface, such as br-lan", s)
	}
	return s, nil
}

func parsePrefix(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, fmt.Errorf("%q is not a network, such as 192.168.1.0/24", s)
	}
	return p, nil
}

// parseUpstream reads one upstream; "system" may be several, or none.
func parseUpstream(s string) ([]netip.AddrPort, error) {
	if s == "system" {
		return systemUpstreams("/etc/resolv.conf"), nil
	}
	if a, err := netip.ParseAddr(s); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(a, 53)}, nil
	}
	a, err := netip.ParseAddrPort(s)
	if err != nil || a.Port() == 0 {
		return nil, fmt.Errorf("%q is not an upstream's address, such as 9.9.9.9 or 127.0.0.1:5300", s)
	}
	return []netip.AddrPort{a}, nil
}

// systemUpstreams reads the machine's own resolvers. A machine without any is
// no mistake: it may get them later, and blocked names are blocked meanwhile.
func systemUpstreams(path string) []netip.AddrPort {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var out []netip.AddrPort
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		if a, err := netip.ParseAddr(fields[1]); err == nil {
			out = append(out, netip.AddrPortFrom(a, 53))
		}
	}
	return out
}

func parseRoute(s string) (Route, error) {
	domain, server, ok := strings.Cut(s, "=")
	if ok {
		name, nameErr := filter.ParseName(domain)
		if a, err := parseUpstream(server); err == nil && nameErr == nil && len(a) == 1 {
			return Route{name, a[0]}, nil
		}
	}
	return Route{}, fmt.Errorf("%q is not a route; write domain=address, such as lan=127.0.0.1:54", s)
}

// parseBytes reads a size with its unit; a bare number is bytes.
func parseBytes(s string) (int64, error) {
	units := []struct {
		suffix string
		factor int64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}, {"", 1}}
	for _, u := range units {
		if digits, ok := strings.CutSuffix(s, u.suffix); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
			if err != nil || n < 0 || n > 1<<50/u.factor {
				break
			}
			return n * u.factor, nil
		}
	}
	return 0, fmt.Errorf("%q is not a size; write it as 512KiB or 16MiB", s)
}

func formatBytes(n int64) string {
	switch {
	case n >= 1<<30 && n%(1<<30) == 0:
		return fmt.Sprintf("%dGiB", n>>30)
	case n >= 1<<20:
		return strconv.FormatFloat(float64(n)/(1<<20), 'f', -1, 64) + "MiB"
	case n >= 1<<10:
		return fmt.Sprintf("%.0fKiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%dB", n)
}
