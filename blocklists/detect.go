package blocklists

import (
	"bytes"
)

// detect tells a list's format from its first lines: each line that can be of
// one format only is a vote for it. A list without any such line is one of plain
// names.
func detect(sample []byte) Format {
	votes := map[Format]int{}
	for len(sample) > 0 {
		var line []byte
		line, sample, _ = bytes.Cut(sample, []byte{'\n'})
		if f := vote(bytes.TrimSpace(line)); f != "" {
			votes[f]++
		}
	}
	best := Domains
	for _, f := range formats { // not over the map: a tie must end the same way each time
		if votes[f] > votes[best] {
			best = f
		}
	}
	return best
}

func vote(line []byte) Format {
	begins := func(prefixes ...string) bool {
		for _, p := range prefixes {
			if len(line) >= len(p) && bytes.EqualFold(line[:len(p)], []byte(p)) {
				return true
			}
		}
		return false
	}
	switch {
	case len(line) == 0 || line[0] == ';':
		return ""
	case begins("[adblock", "||", "@@", "!"), isCosmetic(line):
		return Adblock
	case line[0] == '#':
		return ""
	case begins("address=/", "server=/", "local=/", "ipset=/", "nftset=/"):
		return Dnsmasq
	case begins("$ORIGIN", "$TTL"), bytes.Contains(bytes.ToUpper(line), []byte(" CNAME ")), bytes.Contains(bytes.ToUpper(line), []byte("\tCNAME\t")),
		bytes.Contains(line, []byte(" SOA ")), bytes.Contains(line, []byte("\tSOA\t")):
		return RPZ
	case begins("domain:", "full:", "include:", "regexp:", "keyword:"), bytes.Contains(line, []byte(" @")):
		return V2fly
	case begins("*."):
		return Wildcard
	}
	first, rest := field(line)
	switch {
	case len(rest) > 0 && isAddress(first):
		return Hosts
	case len(rest) == 0:
		return Domains
	}
	return ""
}

// parserFor is what reads the lines of a format. UT1 has none: it is an archive,
// and its lists are plain.
func parserFor(f Format) lineParser {
	switch f {
	case Hosts:
		return parseHosts
	case Adblock:
		return parseAdblock
	case Dnsmasq:
		return parseDnsmasq
	case RPZ:
		return new(rpzParser).parse
	case V2fly:
		return parseV2fly
	}
	return parseDomains
}
