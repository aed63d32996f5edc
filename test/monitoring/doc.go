// Package monitoring checks what is shipped for Prometheus and Grafana: that alerts fire when they should and not otherwise,
// that they say what to do, and that every metric they or a dashboard ask for is served by somebody.
package monitoring
