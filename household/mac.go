package household

import (
	"fmt"
	"net"
)

// MAC is an Ethernet or Wi-Fi address.
type MAC [6]byte

// ParseMAC reads "4c:5e:0c:12:34:56" or the like.
func ParseMAC(s string) (MAC, error) {
	hw, err := net.ParseMAC(s)
	if err != nil || len(hw) != len(MAC{}) {
		return MAC{}, fmt.Errorf("%q is not a MAC address; write it like 4c:5e:0c:12:34:56", s)
	}
	return MAC(hw), nil
}

// String is the MAC in lower case with colons.
func (m MAC) String() string { return net.HardwareAddr(m[:]).String() }

// Private tells whether the device made the address up (the locally
// administered bit, IEEE 802c): phones do, and change it.
func (m MAC) Private() bool { return m[0]&0x02 != 0 }

// canBeDevice tells whether the MAC can be one device's: it is set, and no group
// of devices (IEEE 802.3 §3.2.3), of which the broadcast is one.
func (m MAC) canBeDevice() bool { return m != MAC{} && m[0]&0x01 == 0 }

// MarshalText writes the MAC for JSON.
func (m MAC) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads the MAC from JSON.
func (m *MAC) UnmarshalText(text []byte) (err error) {
	*m, err = ParseMAC(string(text))
	return err
}
