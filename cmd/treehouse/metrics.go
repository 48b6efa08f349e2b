package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// metricsTimeout bounds one answer of /metrics.
const metricsTimeout = 5 * time.Second

// listenMetrics opens the sockets of /metrics, as many as it can.
func (d *daemon) listenMetrics() (failed error) {
	for _, addr := range d.config.Metrics.Listen {
		l, err := listenTCP(addr)
		if err != nil {
			failed = fmt.Errorf("metrics cannot be served on %s: %s; end what is there or set metrics.listen", addr, cause(err))
			continue
		}
		d.metricSockets = append(d.metricSockets, l)
		d.log.Info("metrics", "url", "http://"+l.Addr().String()+"/metrics")
	}
	return failed
}

// serveMetrics answers in Prometheus' text format until ctx ends. No label names
// a domain or a device.
func (d *daemon) serveMetrics(ctx context.Context) error {
	if tiny || len(d.metricSockets) == 0 {
		return nil
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		if err := d.server.WriteMetrics(w); err != nil {
			return // whoever asked has gone
		}
		trie := d.live.Load().Trie()
		inForce := uint64(0)
		if d.wall.ready.Load() {
			inForce = 1
		}
		for _, m := range []struct {
			name, kind, help string
			value            uint64
		}{
			{"treehouse_flash_bytes_written_total", "counter", "Bytes given to the disk.", d.familyFile.BytesWritten() + d.library.BytesWritten()},
			{"treehouse_lists_names", "gauge", "Names in the lists in force.", uint64(trie.Names())},
			{"treehouse_catalogue_edition", "gauge", "Number of the catalogue in force, 0 for the built-in one.", d.edition.Load()},
			{"treehouse_lists_bytes", "gauge", "Bytes they take in memory.", uint64(trie.Size())},
			{"treehouse_firewall_in_force", "gauge", "1 where the firewall's rules are in force, else 0.", inForce},
			{"treehouse_firewall_applied_total", "counter", "Times that they were put in force.", d.wall.applied.Load()},
			{"treehouse_firewall_errors_total", "counter", "Times that something about it failed.", d.wall.errors.Load()},
			{"treehouse_firewall_paused_devices", "gauge", "Network cards that reach nothing because of a pause or a bedtime.", uint64(d.wall.paused.Load())},
		} {
			fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n%s %d\n", m.name, m.help, m.name, m.kind, m.name, m.value)
		}
	})
	server := &http.Server{Handler: mux, ReadTimeout: metricsTimeout, WriteTimeout: metricsTimeout}
	for _, l := range d.metricSockets {
		go server.Serve(l) // where it ends before us, metrics are missing and names are answered
	}
	<-ctx.Done()
	return server.Close()
}
