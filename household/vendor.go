package household

import (
	_ "embed"
	"encoding/hex"
	"strings"
)

//go:embed vendors.txt
var vendors string

// Vendor is who made the device with this MAC, "Nintendo", or "" if that is not
// known or the device made its address up.
func (m MAC) Vendor() string {
	if m.Private() {
		return ""
	}
	at := strings.Index(vendors, " "+hex.EncodeToString(m[:3]))
	if at < 0 {
		return ""
	}
	line := strings.LastIndexByte(vendors[:at], '\n') + 1
	vendor, _, _ := strings.Cut(vendors[line:], ":")
	return vendor
}

// Vendor is who made the device, "" if none of its addresses tells.
func (d Device) Vendor() string {
	for _, m := range d.MACs {
		if v := m.Vendor(); v != "" {
			return v
		}
	}
	return ""
}
