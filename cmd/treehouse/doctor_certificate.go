package main

import (
	"context"
	"math"
	"time"
)

// soonOver is how long before its end the doctor speaks of a certificate: one of
// 90 days is renewed a month before, so something has failed for a fortnight.
const soonOver = 14 * 24 * time.Hour

// testCertificate: devices outside and browsers would take the pair that the
// daemon shows them. It says nothing where nothing listens for TLS.
func (d *doctor) testCertificate(context.Context) []finding {
	c := d.config
	if len(c.DNS.ListenTLS)+len(c.DNS.ListenHTTPS)+len(c.Pages.ListenTLS) == 0 {
		return nil
	}
	pair, err := readPair(c.TLS.Certificate, c.TLS.Key)
	if err != nil {
		return one(toMend("No device is shown a certificate after the next start: %v.", err))
	}
	leaf, now := pair.Leaf, d.clock.Now()
	if now.After(leaf.NotAfter) {
		return one(toMend("%s ended on %s, so devices refuse it; renew it.", c.TLS.Certificate, leaf.NotAfter.Format(time.DateOnly)))
	}
	if now.Before(leaf.NotBefore) {
		return one(toMend("%s begins on %s only, so devices refuse it; set the clock, or take another.", c.TLS.Certificate, leaf.NotBefore.Format(time.DateOnly)))
	}
	name := c.TLS.Name
	if name == "" {
		name = nameOf(leaf)
	}
	if name == "" || leaf.VerifyHostname(name) != nil {
		return one(toMend("%s is not for the name %q, so devices refuse it; get one that is, or set tls.name.", c.TLS.Certificate, name))
	}
	if len(c.DNS.ListenTLS) > 0 && leaf.VerifyHostname("token."+name) != nil { // any one label
		return one(toMend("%s is not for *.%s, where the tokens of devices over DNS over TLS stand; get one for both names.", c.TLS.Certificate, name))
	}
	if left := leaf.NotAfter.Sub(now); left < soonOver {
		return one(toMend("%s ends in %d days; renew it, and see why that was not done by itself.", c.TLS.Certificate, int(math.Ceil(left.Hours()/24))))
	}
	return one(isGood("It is for %s, until %s, and its key fits.", name, leaf.NotAfter.Format(time.DateOnly)))
}
