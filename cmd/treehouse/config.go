package main

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"

	"github.com/treehouse-dns/treehouse/blocklists"
	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/web"
)

//go:embed reference.yaml
var reference []byte

// defaultConfigFile is read when it is there and --config names no other.
const defaultConfigFile = "/etc/treehouse/treehouse.yaml"

// Config is the configuration, checked and typed. reference.yaml says what each
// option means.
type Config struct {
	Storage struct {
		Dir        string
		RuntimeDir string
		ListsDir   string // Dir, unless it was set
		KeepLists  int64  // bytes; 0 if ListsDir is Dir
	}
	DNS struct {
		Listen       []netip.AddrPort
		ListenTLS    []netip.AddrPort
		ListenHTTPS  []netip.AddrPort
		Networks     []netip.Prefix
		Blocked      string
		BlockedTTL   time.Duration
		OwnNames     []filter.Name
		OwnAddresses []netip.Addr
	}
	Pages struct {
		Listen, ListenTLS []netip.AddrPort
		Hosts             []string
		Country, Language string
	}
	TLS      struct{ Certificate, Key, Name string }
	Brand    web.Brand
	Upstream struct {
		Servers  []netip.AddrPort
		Strategy string
		Timeout  time.Duration
		Routes   []Route

		RebindingAllowed []filter.Name
	}
	Cache struct {
		Size    int64
		Persist bool
	}
	Local struct {
		Domains []filter.Name
		Hosts   []string
	}
	Notify struct {
		Webhook, Ntfy, NtfyToken                             string
		MailServer, MailUser, MailPassword, MailFrom, MailTo string
		MQTT, MQTTUser, MQTTPassword, MQTTTopic              string
		MQTTDiscovery                                        string
		AllowHTTP                                            bool
	}
	Metrics struct{ Listen []netip.AddrPort }
	Lists   struct {
		Memory      int64
		UpdateEvery time.Duration
		Witnesses   []string
		Catalogue   CatalogueSource
		Sources     []ListSource
	}
	Devices struct {
		Discover bool
		Leases   []string
	}
	Firewall struct {
		Enabled      bool
		Interfaces   []string
		Networks     []netip.Prefix
		RedirectPort uint16 // never 0 where it is enabled
		RefuseDoT    bool
		Blocked      []string
	}
	Time struct{ Zone *time.Location }
	Log  struct{ Level slog.Level }
}

// Route sends a domain and everything below it to an upstream of its own.
type Route struct {
	Domain filter.Name
	Server netip.AddrPort
}

// CatalogueSource is lists.catalogue.
type CatalogueSource struct {
	Path, URL, Key          string
	AllowHTTP, AllowPrivate bool
}

// ListSource is one entry of lists.sources.
type ListSource struct {
	ID, URL, Topic, Format         string
	Contact                        string
	Exact, AllowHTTP, AllowPrivate bool
}

// ConfigError is one mistake in the configuration, in words for whoever made it.
type ConfigError struct {
	Where string // "treehouse.yaml:7", "TREEHOUSE_DNS_LISTEN", "--dns-listen"
	What  string
}

// Error is where and what, on one line.
func (e *ConfigError) Error() string { return e.Where + ": " + e.What }

// loadConfig reads the reference, then the file, then the environment, then the
// flags, each over the one before. Without a path, the default file is read if
// it is there. All unknown keys of the file are reported together, and where there
// are none all values that are wrong.
func loadConfig(path string, flags *pflag.FlagSet) (*Config, error) {
	r := &configReader{v: viper.New(), flags: flags, file: path}
	r.v.SetConfigType("yaml")
	if err := r.v.ReadConfig(bytes.NewReader(reference)); err != nil {
		return nil, fmt.Errorf("reference.yaml: %w", err)
	}
	r.known = r.v.AllKeys()
	r.v.SetEnvPrefix("TREEHOUSE")
	r.v.SetEnvKeyReplacer(strings.NewReplacer(".", "_"))
	r.v.AllowEmptyEnv(true)
	r.v.AutomaticEnv()
	if err := r.readFile(); err != nil {
		return nil, err
	}
	r.refuseUnknownEnvironment()
	for _, key := range r.known { // --dns-listen overrides dns.listen
		if f := flags.Lookup(flagName(key)); f != nil {
			if err := r.v.BindPFlag(key, f); err != nil {
				return nil, err
			}
		}
	}
	c := r.typed()
	return c, errors.Join(r.mistakes...)
}

// What an option may be at the least and at the most.
const (
	maxBlockedTTL  = time.Hour             // longer, and an allowed site stays blocked for the day
	minTimeout     = 50 * time.Millisecond // a resolver across an ocean is no dead one
	maxTimeout     = 10 * time.Second      // a client has given up by then
	minCache       = 64 << 10              // bytes: some hundred answers
	maxCache       = 1 << 30               // bytes: no home asks for more names
	maxKept        = 1 << 30               // bytes: no snapshot is as large
	minMemory      = 4 << 20               // bytes: what an import needs at all
	maxMemory      = 4 << 30               // bytes: no list needs more
	minUpdateEvery = time.Hour             // lists change daily, and their keepers pay for each look
	maxUpdateEvery = 30 * 24 * time.Hour   // an older list protects nobody
	maxBrand       = 80                    // characters of a name or contact: a line of a small page
)

// memoryFlag is the one flag that is not named after its whole key.
const memoryFlag = "memory"

func flagName(key string) string {
	if key == "lists.memory" {
		return memoryFlag
	}
	return strings.NewReplacer(".", "-", "_", "-").Replace(key)
}

func envName(key string) string {
	return "TREEHOUSE_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// configReader turns raw settings into a Config and remembers where each came from.
type configReader struct {
	v        *viper.Viper
	flags    *pflag.FlagSet
	file     string
	known    []string
	lines    map[string]int // key → line of the file
	mistakes []error
}

func (r *configReader) readFile() error {
	explicit := r.file != ""
	if !explicit {
		r.file = defaultConfigFile
	}
	text, err := os.ReadFile(r.file)
	if errors.Is(err, fs.ErrNotExist) && !explicit {
		return nil
	}
	if err != nil {
		return &ConfigError{r.file, "cannot be read: " + cause(err) + ", or give another with --config"}
	}
	doc, err := r.document(text)
	if err != nil {
		return err
	}
	r.lines = map[string]int{}
	if len(doc.Content) > 0 {
		if doc.Content[0].Kind != yaml.MappingNode {
			return &ConfigError{fmt.Sprintf("%s:%d", r.file, doc.Content[0].Line), "this should be sections with keys, as in `treehouse config reference`"}
		}
		r.index(doc.Content[0], "")
	}
	if len(r.mistakes) > 0 {
		return errors.Join(r.mistakes...)
	}
	return r.v.MergeConfig(bytes.NewReader(text))
}

// document is the one YAML document of the file. What stands in a second one
// would have no effect.
func (r *configReader) document(text []byte) (first yaml.Node, err error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for into := &first; ; into = new(yaml.Node) {
		err := decoder.Decode(into)
		if errors.Is(err, io.EOF) {
			return first, nil
		}
		if err != nil {
			return first, &ConfigError{r.file, strings.TrimPrefix(err.Error(), "yaml: ")}
		}
		if into != &first && len(into.Content) > 0 && into.Content[0].Tag != "!!null" {
			return first, &ConfigError{fmt.Sprintf("%s:%d", r.file, into.Content[0].Line), "a second document begins here, and only the first is read; take the --- before it away"}
		}
	}
}

// index notes the line of every key and refuses the ones that do not exist.
func (r *configReader) index(section *yaml.Node, prefix string) {
	for i := 0; i+1 < len(section.Content); i += 2 {
		node, value := section.Content[i], section.Content[i+1]
		key := prefix + strings.ToLower(node.Value)
		where := fmt.Sprintf("%s:%d", r.file, node.Line)
		_, again := r.lines[key]
		r.lines[key] = node.Line
		switch isSection := r.isSection(key); {
		case again:
			r.refuse(where, "%s is given twice; keep one", key)
		case isSection && value.Kind == yaml.MappingNode:
			r.index(value, key+".")
		case isSection:
			r.refuse(where, "%s is a section: put its keys on the lines below, indented", key)
		case !slices.Contains(r.known, key):
			r.refuse(where, "there is no option %q; %s", key, didYouMean(key, r.words(), "`treehouse config reference` shows all"))
		}
	}
}

// words are all options and sections.
func (r *configReader) words() []string {
	words := slices.Clone(r.known)
	for _, key := range r.known {
		if section, _, ok := strings.Cut(key, "."); ok && !slices.Contains(words, section) {
			words = append(words, section)
		}
	}
	return words
}

func (r *configReader) isSection(key string) bool {
	return slices.ContainsFunc(r.known, func(k string) bool { return strings.HasPrefix(k, key+".") })
}

// refuseUnknownEnvironment catches a mistyped variable, which would otherwise
// be ignored in silence.
func (r *configReader) refuseUnknownEnvironment() {
	names := make([]string, len(r.known))
	for i, key := range r.known {
		names[i] = envName(key)
	}
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, "TREEHOUSE_") && !slices.Contains(names, name) {
			r.refuse(name, "there is no such option; %s", didYouMean(name, names, "`treehouse config reference` shows all"))
		}
	}
}

func (r *configReader) refuse(where, format string, args ...any) {
	r.mistakes = append(r.mistakes, &ConfigError{where, fmt.Sprintf(format, args...)})
}

// bad reports a value of key, wherever it came from.
func (r *configReader) bad(key, format string, args ...any) {
	where := "reference.yaml"
	if line, ok := r.lines[key]; ok {
		where = fmt.Sprintf("%s:%d", r.file, line)
	}
	if _, set := os.LookupEnv(envName(key)); set {
		where = envName(key)
	}
	if f := r.flags.Lookup(flagName(key)); f != nil && f.Changed {
		where = "--" + f.Name
	}
	r.refuse(where, key+": "+format, args...)
}

func (r *configReader) typed() *Config {
	c := &Config{}
	c.Storage.Dir = r.text("storage.dir")
	c.Storage.RuntimeDir = r.text("storage.runtime_dir")
	if _, err := os.Stat(c.Storage.RuntimeDir); err != nil { // a service's own folder goes when the service does
		c.Storage.RuntimeDir = os.TempDir()
	}
	c.Storage.ListsDir = c.Storage.Dir
	if r.v.Get("storage.lists_dir") != "" {
		c.Storage.ListsDir = r.text("storage.lists_dir")
	}
	c.Storage.KeepLists = r.bytes("storage.keep_lists", 0, maxKept)
	if c.Storage.ListsDir == c.Storage.Dir {
		c.Storage.KeepLists = 0
	}

	c.DNS.Listen = r.listens("dns.listen")
	c.DNS.Networks = parseEach(r, "dns.networks", parsePrefix)
	c.DNS.Blocked = r.oneOf("dns.blocked", "zero", "nxdomain", "refused")
	c.DNS.BlockedTTL = r.duration("dns.blocked_ttl", time.Second, maxBlockedTTL)
	c.DNS.OwnNames = parseEach(r, "dns.own_names", parseDomain)
	c.DNS.OwnAddresses = parseEach(r, "dns.own_addresses", parseAddr)

	c.Pages.Listen = r.listens("pages.listen")
	c.Pages.Hosts = r.texts("pages.hosts")
	c.Pages.Country = r.optional("pages.country")
	c.Pages.Language = r.oneOf("pages.language", "en", "es", "fr", "de", "pt-BR", "ar", "ru", "zh-Hans", "hi")

	c.DNS.ListenTLS = r.listens("dns.listen_tls")
	c.DNS.ListenHTTPS = r.listens("dns.listen_https")
	c.Pages.ListenTLS = r.listens("pages.listen_tls")
	c.TLS.Certificate = r.optional("tls.certificate")
	c.TLS.Key = r.optional("tls.key")
	c.TLS.Name = strings.ToLower(strings.TrimSuffix(r.optional("tls.name"), "."))
	r.checkTLS(c)
	c.Brand = r.brand()

	c.Upstream.Servers = slices.Concat(parseEach(r, "upstream.servers", parseUpstream)...)
	c.Upstream.Strategy = r.oneOf("upstream.strategy", "in-order", "fastest", "parallel")
	c.Upstream.Timeout = r.duration("upstream.timeout", minTimeout, maxTimeout)
	c.Upstream.Routes = parseEach(r, "upstream.routes", parseRoute)

	c.Upstream.RebindingAllowed = parseEach(r, "upstream.rebinding_allowed", parseDomain)
	c.Cache.Persist = r.boolean("cache.persist")
	c.Local.Domains = parseEach(r, "local.domains", parseDomain)
	c.Local.Hosts = r.texts("local.hosts")
	for key, field := range map[string]*string{
		"webhook": &c.Notify.Webhook, "ntfy": &c.Notify.Ntfy, "ntfy_token": &c.Notify.NtfyToken,
		"mail_server": &c.Notify.MailServer, "mail_user": &c.Notify.MailUser, "mail_password": &c.Notify.MailPassword,
		"mail_from": &c.Notify.MailFrom, "mail_to": &c.Notify.MailTo,
		"mqtt": &c.Notify.MQTT, "mqtt_user": &c.Notify.MQTTUser, "mqtt_password": &c.Notify.MQTTPassword,
		"mqtt_topic": &c.Notify.MQTTTopic, "mqtt_discovery": &c.Notify.MQTTDiscovery,
	} {
		*field = r.optional("notify." + key)
	}
	c.Notify.AllowHTTP = r.boolean("notify.allow_http")
	c.Metrics.Listen = r.listens("metrics.listen")
	c.Cache.Size = r.bytes("cache.size", minCache, maxCache)
	c.Lists.Memory = r.bytes("lists.memory", minMemory, maxMemory)
	c.Lists.UpdateEvery = r.duration("lists.update_every", 0, maxUpdateEvery)
	if c.Lists.UpdateEvery > 0 && c.Lists.UpdateEvery < minUpdateEvery {
		r.bad("lists.update_every", "%s is too often for those who keep the lists; take %s or more, or 0 for never", c.Lists.UpdateEvery, minUpdateEvery)
	}
	c.Lists.Witnesses = r.texts("lists.witnesses")
	c.Lists.Catalogue = r.catalogue()
	c.Lists.Sources = r.sources("lists.sources")
	if err := checkTopics(c); err != nil {
		r.bad("lists.sources", "%v", err)
	}

	c.Devices.Discover = r.boolean("devices.discover")
	c.Devices.Leases = r.texts("devices.leases")

	r.firewall(c)
	r.checkExtent(c)

	zone := r.text("time.zone")
	if strings.EqualFold(zone, "local") {
		c.Time.Zone = time.Local
	} else if loc, err := loadZone(zone); err == nil {
		c.Time.Zone = loc
	} else {
		r.bad("time.zone", "%v", err)
	}
	if err := c.Log.Level.UnmarshalText([]byte(r.oneOf("log.level", "error", "warn", "info", "debug"))); err != nil {
		c.Log.Level = slog.LevelInfo // oneOf has reported it
	}
	if len(c.DNS.Listen) == 0 && len(r.mistakes) == 0 {
		r.bad("dns.listen", "there has to be at least one address, such as 127.0.0.1:5353")
	}
	return c
}

// checkTLS refuses sockets that would have no certificate to show, and a name
// that no device could put its token before.
func (r *configReader) checkTLS(c *Config) {
	for _, use := range []struct {
		key   string
		addrs []netip.AddrPort
	}{{"dns.listen_tls", c.DNS.ListenTLS}, {"dns.listen_https", c.DNS.ListenHTTPS}, {"pages.listen_tls", c.Pages.ListenTLS}} {
		if len(use.addrs) > 0 && (c.TLS.Certificate == "" || c.TLS.Key == "") {
			r.bad(use.key, "this needs a certificate: set tls.certificate and tls.key to its files, or leave this empty")
		}
	}
	switch {
	case c.TLS.Certificate != "" && c.TLS.Key == "":
		r.bad("tls.certificate", "a certificate is of no use without its key; set tls.key too")
	case c.TLS.Key != "" && c.TLS.Certificate == "":
		r.bad("tls.key", "a key is of no use without its certificate; set tls.certificate too")
	}
	if _, err := filter.ParseName(c.TLS.Name); c.TLS.Name != "" && (err != nil || len(c.TLS.Name) > maxTLSName) {
		r.bad("tls.name", "%q is not a name that a token of a device can stand before, such as dns.example.net", c.TLS.Name)
	}
}

// maxTLSName in bytes leaves room for a token and its dot in a name of 253.
const maxTLSName = 236

// firewall reads the section and, where it is on, refuses what would not work.
func (r *configReader) firewall(c *Config) {
	f := &c.Firewall
	f.Enabled = r.boolean("firewall.enabled")
	f.Interfaces = parseEach(r, "firewall.interfaces", parseInterface)
	f.Networks = parseEach(r, "firewall.networks", parsePrefix)
	f.RefuseDoT = r.boolean("firewall.refuse_dot")
	f.Blocked = r.texts("firewall.blocked")
	port, err := strconv.ParseUint(fmt.Sprint(r.v.Get("firewall.redirect_port")), 10, 16)
	if err != nil {
		r.bad("firewall.redirect_port", "%q is not a port; write 53, or 0 for that of dns.listen", fmt.Sprint(r.v.Get("firewall.redirect_port")))
	}
	f.RedirectPort = uint16(port)
	if !f.Enabled {
		return
	}
	if len(f.Interfaces)+len(f.Networks) == 0 {
		r.bad("firewall.enabled", "where is the home? Name its interfaces in firewall.interfaces, such as [br-lan], or firewall.networks")
	}
	if f.RedirectPort == 0 && len(c.DNS.Listen) > 0 {
		if first := c.DNS.Listen[0]; first.Addr().IsLoopback() || first.Port() == 0 {
			r.bad("firewall.enabled", "the home cannot be led to %s, where only this machine is heard; set firewall.redirect_port to 53 where dnsmasq answers and asks us, or dns.listen to :53", first)
		} else {
			f.RedirectPort = first.Port()
		}
	}
}

// catalogue reads lists.catalogue.
func (r *configReader) catalogue() CatalogueSource {
	const section = "lists.catalogue."
	c := CatalogueSource{
		Path: r.optional(section + "path"), URL: r.optional(section + "url"), Key: r.optional(section + "key"),
		AllowHTTP: r.boolean(section + "allow_http"), AllowPrivate: r.boolean(section + "allow_private"),
	}
	if c.Key != "" {
		if _, err := blocklists.ParsePublicKey(c.Key); err != nil {
			r.bad(section+"key", "%v", err)
		}
	}
	switch {
	case c.URL == "":
	case c.Path != "":
		r.bad(section+"url", "there is a path as well; give one of the two")
	case c.Key == "":
		r.bad(section+"url", "a catalogue that is fetched has to be signed; give its public key as %skey", section)
	default:
		if err := checkListURL(c.URL, c.AllowHTTP); err != nil {
			r.bad(section+"url", "%v", err)
		}
	}
	return c
}

// sources reads lists.sources, a list of small maps.
func (r *configReader) sources(key string) []ListSource {
	var out []ListSource
	raw, ok := r.v.Get(key).([]any)
	if !ok {
		if r.v.Get(key) != nil && r.v.Get(key) != "" {
			r.bad(key, "this should be a list of entries such as - {id: my-list, url: https://…, topic: ads}")
		}
		return nil
	}
	fields := []string{"id", "url", "topic", "format", "contact", "exact", "allow_http", "allow_private"}
	seen := map[string]bool{}
	for i, entry := range raw {
		m, ok := entry.(map[string]any)
		if !ok {
			r.bad(key, "entry %d should be fields such as {id: my-list, url: https://…, topic: ads}", i+1)
			continue
		}
		for f := range m {
			if !slices.Contains(fields, f) {
				r.bad(key, "entry %d: there is no field %q; %s", i+1, f, didYouMean(f, fields, "there are "+strings.Join(fields, ", ")))
			}
		}
		str := func(f string) string {
			s, ok := m[f].(string)
			if _, given := m[f]; given && !ok {
				r.bad(key, "entry %d: %s should be text: put it in quotes", i+1, f)
			}
			return s
		}
		flag := func(f string) bool {
			b, ok := m[f].(bool)
			if _, given := m[f]; given && !ok {
				r.bad(key, "entry %d: %s is true or false", i+1, f)
			}
			return b
		}
		s := ListSource{str("id"), str("url"), str("topic"), str("format"), str("contact"), flag("exact"), flag("allow_http"), flag("allow_private")}
		switch {
		case s.ID == "" || s.URL == "" || s.Topic == "":
			r.bad(key, "entry %d needs an id, a url and a topic", i+1)
		case seen[s.ID]:
			r.bad(key, "entry %d: the id %q is taken; choose another", i+1, s.ID)
		}
		seen[s.ID] = true
		if err := checkSource(s); err != nil {
			r.bad(key, "entry %d: %v", i+1, err)
		}
		out = append(out, s)
	}
	return out
}

// brand reads what a provider puts on the pages.
func (r *configReader) brand() web.Brand {
	b := web.Brand{Name: r.optional("brand.name"), Support: r.optional("brand.support")}
	for key, text := range map[string]string{"brand.name": b.Name, "brand.support": b.Support} {
		if utf8.RuneCountInString(text) > maxBrand {
			r.bad(key, "%q is longer than %d characters", text, maxBrand)
		}
	}
	hue, err := strconv.Atoi(fmt.Sprint(r.v.Get("brand.hue")))
	if b.Hue = hue; err != nil || hue < 0 || hue > 360 {
		r.bad("brand.hue", "%q is no hue; write an angle from 1 to 360, or 0 for ours", fmt.Sprint(r.v.Get("brand.hue")))
	}
	if path := r.optional("brand.logo"); path != "" {
		svg, err := os.ReadFile(path)
		if err == nil {
			b.Logo, err = web.CleanLogo(svg)
		} else {
			err = fmt.Errorf("%s cannot be read (%s); give the path of an SVG file", path, cause(err))
		}
		if err != nil {
			r.bad("brand.logo", "%v", err)
		}
	}
	return b
}
