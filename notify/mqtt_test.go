package notify

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/treehouse-dns/treehouse/household"
)

// freePort is a port of the loopback that nobody has at the moment.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// realBroker is mosquitto.
type realBroker struct {
	plain, secure string // ports, without and with TLS
	roots         *x509.CertPool
	subscribed    chan struct{} // told when somebody has subscribed
}

func mosquitto(t *testing.T) *realBroker {
	t.Helper()
	broker, err := exec.LookPath("mosquitto")
	if err != nil {
		broker, err = exec.LookPath("/usr/sbin/mosquitto")
	}
	if err != nil {
		t.Skip("mosquitto is not installed")
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	web := httptest.NewUnstartedServer(nil) // it brings a certificate for 127.0.0.1
	web.StartTLS()
	defer web.Close()
	b := &realBroker{plain: freePort(t), secure: freePort(t), roots: x509.NewCertPool(), subscribed: make(chan struct{}, 10)}
	b.roots.AddCert(web.Certificate())
	key, err := x509.MarshalPKCS8PrivateKey(web.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	keyFile := write("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	certFile := write("cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})))
	passwords := write("passwords", "ana:secret\n")
	if out, err := exec.Command("mosquitto_passwd", "-U", passwords).CombinedOutput(); err != nil {
		t.Skipf("mosquitto_passwd: %v %s", err, out)
	}
	config := fmt.Sprintf("per_listener_settings false\nallow_anonymous false\npassword_file %s\nlistener %s 127.0.0.1\nlistener %s 127.0.0.1\ncertfile %s\nkeyfile %s\n",
		passwords, b.plain, b.secure, certFile, keyFile)
	if os.Getuid() == 0 {
		config = "user root\n" + config // it would take another, who cannot read our files
	}
	cmd := exec.Command(broker, "-v", "-c", write("mosquitto.conf", config))
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	var said []string
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		if said = append(said, lines.Text()); strings.Contains(lines.Text(), "running") {
			go func() {
				for lines.Scan() {
					if strings.Contains(lines.Text(), "Sending SUBACK") {
						b.subscribed <- struct{}{}
					}
				}
			}()
			return b
		}
	}
	t.Fatalf("mosquitto does not run: %q", said)
	return nil
}

// subscriber is mosquitto_sub; it gives each message with its topic, as it comes.
func (b *realBroker) subscriber(t *testing.T) <-chan string {
	t.Helper()
	cmd := exec.Command("mosquitto_sub", "-p", b.plain, "-h", "127.0.0.1", "-u", "ana", "-P", "secret", "-q", "1", "-t", "#", "-F", "%t %q %r %p")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skip("mosquitto_sub is not installed")
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	messages := make(chan string, 10)
	go func() {
		defer close(messages)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			messages <- lines.Text()
		}
	}()
	<-b.subscribed
	return messages
}

// TestMQTTBroker sends through a real broker, with and without TLS.
func TestMQTTBroker(t *testing.T) {
	b := mosquitto(t)
	got := b.subscriber(t)
	config := MQTTConfig{Broker: "mqtt://127.0.0.1:" + b.plain, User: "ana", Password: "secret", Topic: "treehouse/notices", Discovery: "homeassistant"}
	send := func(c MQTTConfig, m Message) error {
		t.Helper()
		s, err := NewMQTT(c)
		if err != nil {
			t.Fatal(err)
		}
		return s.Send(t.Context(), m)
	}
	if err := send(config, ana); err != nil {
		t.Fatal(err)
	}
	if m := <-got; !strings.HasPrefix(m, "homeassistant/sensor/treehouse_notice/config 1 0 {") || !strings.Contains(m, `"state_topic":"treehouse/notices"`) {
		t.Errorf("Home Assistant is told %s", m)
	}
	if m := <-got; m != `treehouse/notices 1 0 {"request":12,"who":"Ana","what":"puzzles.example","text":"Ana asks for puzzles.example."}` {
		t.Errorf("%s", m)
	}

	config.Broker, config.Discovery, config.TLS = "mqtts://127.0.0.1:"+b.secure, "", &tls.Config{RootCAs: b.roots}
	long := Message{Notice: household.Notice{Request: 1, Who: "Añá"}, Text: strings.Repeat("длинно ", 40)} // a length of two bytes
	if err := send(config, long); err != nil {
		t.Fatal(err)
	}
	if m := <-got; m != `treehouse/notices 1 0 {"request":1,"who":"Añá","text":"`+long.Text+`"}` {
		t.Errorf("%s", m)
	}
	late := b.subscriber(t)
	if m := <-late; !strings.HasPrefix(m, "homeassistant/") {
		t.Errorf("who comes later is told %s", m)
	}

	config.TLS = nil
	if err := send(config, ana); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a broker nobody vouches for: %v", err)
	}
	config.Broker = "mqtt://127.0.0.1:" + b.plain
	for _, password := range []string{"guessed", ""} {
		config.Password = password
		if err := send(config, ana); !errors.As(err, new(*RefusedError)) || strings.Contains(err.Error(), "guessed") {
			t.Errorf("the password %q: %v", password, err)
		}
	}
	select {
	case m := <-late:
		t.Errorf("too much was published: %s", m)
	default:
	}
}

// hostile is a broker that answers each packet with the next of the answers, and
// then with silence.
func hostile(t *testing.T, answers ...string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		buf := make([]byte, 4<<10)
		for _, a := range answers {
			if _, err := conn.Read(buf); err != nil || a == "end" {
				return
			}
			if _, err := conn.Write([]byte(a)); err != nil {
				return
			}
		}
		_, _ = io.Copy(io.Discard, conn)
	}()
	return "mqtt://" + l.Addr().String()
}

// TestMQTTHostile: what is no broker, or a bad one, costs a try and nothing else.
func TestMQTTHostile(t *testing.T) {
	const welcome = "\x20\x02\x00\x00"
	closed := "mqtt://127.0.0.1:" + freePort(t)
	for what, c := range map[string]struct {
		broker  string
		refused bool
		says    string
	}{
		"nobody there":       {closed, false, "refused"},
		"it is a web server": {hostile(t, "HTTP/1.1 400 Bad Request\r\n\r\n"), false, "no MQTT"},
		"a huge answer":      {hostile(t, "\x20\xff\xff\xff\x7f"+strings.Repeat("x", 1000)), false, "no MQTT"},
		"it ends":            {hostile(t, "end"), false, "without an answer"},
		"half an answer":     {hostile(t, "\x20\x02", "end"), false, "without an answer"},
		"silence":            {hostile(t), false, ""},
		"busy":               {hostile(t, "\x20\x02\x00\x03"), false, "not available"},
		"not for us":         {hostile(t, "\x20\x02\x00\x05"), true, "sign in"},
		"another version":    {hostile(t, "\x20\x02\x00\x01"), true, "code 1"},
		"no acknowledgement": {hostile(t, welcome), false, ""},
		"of something else":  {hostile(t, welcome, "\x40\x02\x00\x02"), false, "something else"},
		"it takes no more":   {hostile(t, welcome, "end"), false, "without an answer"},
		"and a good one":     {hostile(t, welcome, "\x40\x02\x00\x01"), false, "nothing"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s, err := NewMQTT(MQTTConfig{Broker: c.broker, Topic: "t"})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err = s.Send(ctx, ana)
			if (err == nil) != (c.says == "nothing") || err != nil && !strings.Contains(err.Error(), c.says) || errors.As(err, new(*RefusedError)) != c.refused {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestMQTTConfig: what cannot work is refused when it is configured, and shows no
// password.
func TestMQTTConfig(t *testing.T) {
	for _, c := range []MQTTConfig{
		{Broker: "http://host.example", Topic: "t"}, {Broker: "mqtt://", Topic: "t"}, {Broker: "host:1883", Topic: "t"}, {Broker: "mqtt://host/path", Topic: "t"},
		{Broker: "mqtt://ana:secret@host", Topic: "t"}, {Broker: "mqtt://%zz/secret", Topic: "t"},
		{Broker: "mqtt://host"}, {Broker: "mqtt://host", Topic: "a/+"}, {Broker: "mqtt://host", Topic: "#"}, {Broker: "mqtt://host", Topic: "$SYS/x"},
		{Broker: "mqtt://host", Topic: strings.Repeat("t", 256)}, {Broker: "mqtt://host", Topic: "\xff"}, {Broker: "mqtt://host", Topic: "t", Discovery: "#"},
		{Broker: "mqtt://host", Topic: "t", Password: "secret"}, {Broker: "mqtt://host", Topic: "t", User: strings.Repeat("secret", 50)},
	} {
		if _, err := NewMQTT(c); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: %v", c, err)
		}
	}
	for broker, port := range map[string]string{"mqtt://host": "1883", "mqtts://host": "8883", "mqtt://[::1]:99/": "99"} {
		if m, err := NewMQTT(MQTTConfig{Broker: broker, Topic: "t"}); err != nil || m.port != port {
			t.Errorf("%s: %v, %v", broker, m, err)
		}
	}
}

// TestMQTTStaysInTheHome: a child's name leaves the home under TLS, or as the
// family says.
func TestMQTTStaysInTheHome(t *testing.T) {
	for addr, home := range map[string]bool{"192.168.1.5": true, "127.0.0.1": true, "fd00::5": true, "fe80::5": true, "203.0.113.5": false, "2001:db8::5": false} {
		if isHome(&net.TCPAddr{IP: net.ParseIP(addr)}) != home {
			t.Errorf("%s: at home %t", addr, !home)
		}
	}
}
