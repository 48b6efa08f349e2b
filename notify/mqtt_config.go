package notify

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"unicode/utf8"
)

// MQTTConfig says how notices reach a broker.
type MQTTConfig struct {
	Broker         string // mqtt://host:1883 or mqtts://host:8883; the port may be left out
	User, Password string // empty: without signing in
	Topic          string // "treehouse/notices"
	// Discovery is the prefix under which Home Assistant looks for devices,
	// "homeassistant"; empty: it is not told of us.
	Discovery string
	// AllowPlain allows mqtt:// to a broker outside of the home; in the home it
	// always is.
	AllowPlain bool
	// TLS checks the broker; nil is the system's way.
	TLS *tls.Config
}

// maxTopic is the longest topic, user or password in bytes, of the 65,535 that
// MQTT allows.
const maxTopic = 255

// check reads the broker's address, and refuses what no broker would take. The
// address is never shown: somebody may have put a password into it.
func (c MQTTConfig) check() (host, port string, secure bool, err error) {
	u, err := url.Parse(c.Broker)
	if err != nil || u.Hostname() == "" || u.Scheme != "mqtt" && u.Scheme != "mqtts" || u.User != nil || strings.Trim(u.Path, "/") != "" {
		return "", "", false, errors.New("the broker's address is no address of MQTT; write it like mqtt://192.168.1.5:1883 or mqtts://mqtt.example:8883, with user and password apart")
	}
	for _, topic := range []string{c.Topic, c.Discovery + "/"} {
		if topic == "" || len(topic) > maxTopic || strings.ContainsAny(topic, "+#\x00") || topic[0] == '$' || !utf8.ValidString(topic) {
			return "", "", false, fmt.Errorf("%.60q is no topic that can be published to; write it like treehouse/notices", topic)
		}
	}
	if len(c.User) > maxTopic || len(c.Password) > maxTopic || c.User == "" && c.Password != "" {
		return "", "", false, fmt.Errorf("the user and the password have up to %d bytes each, and no password is without a user", maxTopic)
	}
	secure, port = u.Scheme == "mqtts", u.Port()
	if port == "" {
		port = map[bool]string{false: "1883", true: "8883"}[secure]
	}
	return u.Hostname(), port, secure, nil
}

// isHome tells whether a connection stays in the home.
func isHome(to net.Addr) bool {
	tcp, ok := to.(*net.TCPAddr)
	return ok && (tcp.IP.IsLoopback() || tcp.IP.IsPrivate() || tcp.IP.IsLinkLocalUnicast())
}
