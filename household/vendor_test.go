package household

import (
	"regexp"
	"strings"
	"testing"
)

func TestVendor(t *testing.T) {
	for mac, want := range map[string]string{
		"b8:27:eb:00:00:01": "Raspberry Pi", "98:b6:e9:00:00:01": "Nintendo", "00:03:93:00:00:01": "Apple",
		"02:27:eb:00:00:01": "", "ff:ff:ff:ff:ff:ff": "", "00:00:00:00:00:00": "",
	} {
		m, err := ParseMAC(mac)
		must(t, err)
		if got := m.Vendor(); got != want {
			t.Errorf("%s is %q's, want %q", mac, got, want)
		}
	}
	d := Device{MACs: []MAC{madeUp, {0xb8, 0x27, 0xeb, 1, 2, 3}}}
	if d.Vendor() != "Raspberry Pi" || d.PrivateAddress() {
		t.Errorf("%q, private %v", d.Vendor(), d.PrivateAddress())
	}
}

func TestVendorsFile(t *testing.T) {
	line := regexp.MustCompile(`^[A-Za-z][^:]*:( [0-9a-f]{6})+$`)
	seen := map[string]bool{}
	for text := range strings.Lines(vendors) {
		text = strings.TrimSpace(text)
		if strings.HasPrefix(text, "#") {
			continue
		}
		if !line.MatchString(text) {
			t.Errorf("%.40q is no vendor", text)
		}
		for _, oui := range strings.Fields(text[strings.Index(text, ":")+1:]) {
			if seen[oui] {
				t.Errorf("%s is there twice", oui)
			}
			seen[oui] = true
		}
	}
}
