package notify

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
)

// MQTT publishes the webhook's object to a broker, with QoS 1 and not retained:
// who comes later is told nothing. A connection is made for each notice, of which
// there are a few a day, so that none has to be kept alive; the Queue tries again.
//
// It speaks MQTT 3.1.1, which every broker does. Of its packets five are needed,
// and what a broker may answer to them has four bytes, so they are written and
// read right here; a library takes 128 KiB and more on mipsle.
type MQTT struct {
	config     MQTTConfig
	host, port string
	tls        *tls.Config // nil: plain
}

// The control packets, with their flags (MQTT 3.1.1 §2.2).
const (
	mqttConnect    = 0x10
	mqttConnAck    = 0x20
	mqttPublish    = 0x30
	mqttPubAck     = 0x40
	mqttDisconnect = 0xe0

	mqttQoS1   = 0x02 // of mqttPublish
	mqttRetain = 0x01
)

// NewMQTT checks the configuration.
func NewMQTT(c MQTTConfig) (*MQTT, error) {
	host, port, secure, err := c.check()
	if err != nil {
		return nil, err
	}
	m := &MQTT{config: c, host: host, port: port}
	if secure {
		m.tls = &tls.Config{}
		if c.TLS != nil {
			m.tls = c.TLS.Clone()
		}
		if m.tls.ServerName == "" {
			m.tls.ServerName = host
		}
	}
	return m, nil
}

// Send implements Sender. A broker that does not let us publish there may take a
// notice and drop it: MQTT 3.1.1 has no word for that.
func (m *MQTT) Send(ctx context.Context, msg Message) error {
	err := m.send(ctx, msg)
	if refused := (*RefusedError)(nil); err == nil || errors.As(err, &refused) {
		return err
	}
	return fmt.Errorf("a notice could not be sent to %s: %w", m.host, err)
}

func (m *MQTT) send(ctx context.Context, msg Message) error {
	body, err := msg.object()
	if err != nil {
		return err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(m.host, m.port))
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if end, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(end); err != nil {
			return err
		}
	}
	switch {
	case m.tls != nil:
		conn = tls.Client(conn, m.tls)
	case !m.config.AllowPlain && !isHome(conn.RemoteAddr()):
		return &RefusedError{m.host, "it is not in the home, and a child's name is not sent there in clear; use mqtts://"}
	}
	if err := m.connect(conn); err != nil {
		return err
	}
	if m.config.Discovery != "" {
		if err := publish(conn, m.config.Discovery+"/sensor/treehouse_notice/config", m.sensor(), mqttRetain); err != nil {
			return err
		}
	}
	if err := publish(conn, m.config.Topic, body, 0); err != nil {
		return err
	}
	_, _ = conn.Write([]byte{mqttDisconnect, 0}) // the notice is taken
	return nil
}

// connect begins a session that ends with the connection (§3.1).
func (m *MQTT) connect(conn net.Conn) error {
	const cleanSession, hasPassword, hasUser = 1 << 1, 1 << 6, 1 << 7
	flags := byte(cleanSession)
	credentials := []byte(nil)
	if m.config.User != "" {
		flags |= hasUser
		credentials = text(credentials, m.config.User)
		if m.config.Password != "" {
			flags |= hasPassword
			credentials = text(credentials, m.config.Password)
		}
	}
	body := append(text(nil, "MQTT"), 4, flags) // 4: version 3.1.1
	body = binary.BigEndian.AppendUint16(body, uint16(sendFor.Seconds()))
	body = text(body, "treehouse-"+rand.Text()[:10]) // names of up to 23 bytes are taken anywhere (§3.1.3.1)
	answer, err := exchange(conn, mqttConnect, append(body, credentials...), mqttConnAck)
	if err != nil {
		return err
	}
	switch answer[1] { // §3.2.2.3
	case 0:
		return nil
	case 3:
		return errors.New("the broker is not available")
	case 4, 5:
		return &RefusedError{m.host, "the user or the password is wrong, or may not sign in"}
	}
	return &RefusedError{m.host, fmt.Sprintf("it answered with the code %d", answer[1])}
}

// publish hands one message over and waits until the broker has it (§4.3.2).
func publish(conn net.Conn, topic string, message []byte, flags byte) error {
	const id = 1 // there is one message at a time
	body := binary.BigEndian.AppendUint16(text(nil, topic), id)
	answer, err := exchange(conn, mqttPublish|mqttQoS1|flags, append(body, message...), mqttPubAck)
	if err == nil && binary.BigEndian.Uint16(answer[:]) != id {
		err = errors.New("the broker acknowledged something else")
	}
	return err
}

// exchange sends a packet and gives the two bytes of the answer's body.
func exchange(conn net.Conn, kind byte, body []byte, want byte) (answer [2]byte, err error) {
	packet := append(binary.AppendUvarint([]byte{kind}, uint64(len(body))), body...) // §2.2.3 is the same code
	if _, err := conn.Write(packet); err != nil {
		return answer, err
	}
	var reply [4]byte
	if _, err := io.ReadFull(conn, reply[:]); err != nil {
		return answer, fmt.Errorf("the broker ended without an answer: %w", err)
	}
	if reply[0] != want || reply[1] != 2 {
		return answer, fmt.Errorf("what answers there speaks no MQTT 3.1.1 (%x)", reply)
	}
	return [2]byte(reply[2:]), nil
}

// text appends a string as MQTT has it (§1.5.3).
func text(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

// sensor describes the last notice to Home Assistant, whose states have 255
// characters at most.
func (m *MQTT) sensor() []byte {
	text, _ := json.Marshal(map[string]any{ // of strings, which cannot fail
		"name": "Last notice", "unique_id": "treehouse_last_notice", "icon": "mdi:hand-wave", "state_topic": m.config.Topic,
		"value_template": "{{ value_json.text[:255] }}", "json_attributes_topic": m.config.Topic,
		"device": map[string]any{"identifiers": []string{"treehouse"}, "name": "Treehouse"},
	})
	return text
}
