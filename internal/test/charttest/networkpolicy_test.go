package charttest

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// policy renders the NetworkPolicy, and checks that it selects the chart's pods and denies all ingress.
func policy(t *testing.T, values string) *networkingv1.NetworkPolicy {
	t.Helper()
	r := render(t, mergeYAML(t, "networkPolicy: {enabled: true}", values))
	assertValidObjects(t, r)
	p, err := Find[*networkingv1.NetworkPolicy](r, "")
	require.NoError(t, err)
	assert.Equal(t, []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}, p.Spec.PolicyTypes)
	assert.Empty(t, p.Spec.Ingress)
	selector, err := metav1.LabelSelectorAsSelector(&p.Spec.PodSelector)
	require.NoError(t, err)
	assert.True(t, selector.Matches(labels.Set(job(t, r, "").Spec.Template.Labels)))
	test, err := Find[*corev1.Pod](r, "")
	require.NoError(t, err)
	assert.True(t, selector.Matches(labels.Set(test.Labels)))
	assert.False(t, selector.Matches(labels.Set{"app.kubernetes.io/name": "shiplock", "app.kubernetes.io/instance": "booking", "app.kubernetes.io/component": "web"}))
	return p
}

// allows reports whether the policy allows egress to an address outside the cluster. It supports only address blocks.
func allows(p *networkingv1.NetworkPolicy, address string, port int32, protocol corev1.Protocol) bool {
	return slices.ContainsFunc(p.Spec.Egress, func(rule networkingv1.NetworkPolicyEgressRule) bool {
		there := len(rule.To) == 0 || slices.ContainsFunc(rule.To, func(peer networkingv1.NetworkPolicyPeer) bool {
			return peer.IPBlock != nil && netip.MustParsePrefix(peer.IPBlock.CIDR).Contains(netip.MustParseAddr(address))
		})
		return there && (len(rule.Ports) == 0 || slices.ContainsFunc(rule.Ports, func(by networkingv1.NetworkPolicyPort) bool {
			return by.Port.IntVal == port && *by.Protocol == protocol
		}))
	})
}

// Only the ports that the values require are open.
func TestNetworkPolicy_Values_OpenPorts(t *testing.T) {
	t.Parallel()
	all := []int32{53, 80, 443, 5432, 5433, 6432, 6443, 8080, 9091}
	for values, want := range map[string][]int32{
		withURL: {53, 5432},
		"database: {url: 'postgres://u:p@db:6432/x?sslmode=disable'}":           {53, 6432},
		"database: {url: 'postgres://u:p%3A80@[fd00::1]/x:80'}":                 {53, 5432},
		"database: {url: 'postgres://u:p@a:5433,b,c:6432/x'}":                   {53, 5432, 5433, 6432},
		"database: {host: h, dbname: shop, username: u, port: 6432}":            {53, 6432},
		"database: {host: 'h,i', dbname: shop, username: u, port: '5432,5433'}": {53, 5432, 5433},
		"database: {url: 'postgres:///x?host=h&port=5433'}":                     {53, 5433},
		"database: {url: 'host=h port=5433,6432 dbname=x'}":                     {53, 5433, 6432},
		withExistingSecret: {53, 5432},
		withExistingSecret + "networkPolicy: {database: {ports: [6432]}}": {53, 6432},
		withURL + "networkPolicy: {dns: {ports: [8080]}}":                 {5432, 8080},
		withURL + events: {53, 443, 5432, 6443},
		withURL + events + "networkPolicy: {apiServer: {ports: [6443]}}":                   {53, 5432, 6443},
		withURL + "notify: {webhook: {url: 'https://hooks.example.com/a:80'}}":             {53, 443, 5432},
		withURL + "notify: {webhook: {url: 'http://hooks.example.com'}}":                   {53, 80, 5432},
		withURL + "notify: {webhook: {url: 'https://hooks.example.com:8080/x'}}":           {53, 5432, 8080},
		withURL + "notify: {webhook: {urlFile: /u}}":                                       {53, 443, 5432},
		withURL + "notify: {webhook: {existingSecret: {name: s, keys: {url: u}}}}":         {53, 443, 5432},
		withURL + "notify: {pushgateway: {url: 'http://gateway:9091'}}":                    {53, 5432, 9091},
		withURL + "notify: {pushgateway: {url: 'https://gateway'}}":                        {53, 443, 5432},
		withURL + "notify: {pushgateway: {existingSecret: {name: s}}}":                     {53, 5432, 9091},
		withURL + "networkPolicy: {extraEgress: [{ports: [{port: 8080, protocol: TCP}]}]}": {53, 5432, 8080},
	} {
		p := policy(t, values)
		var open []int32
		for _, port := range all {
			if allows(p, "192.0.2.1", port, corev1.ProtocolTCP) {
				open = append(open, port)
			}
			assert.Equal(t, allows(p, "192.0.2.1", port, corev1.ProtocolUDP), slices.Contains(want, port) && (port == 53 || port == 8080 && !slices.Contains(want, 53)), "%s: %d by UDP", values, port)
		}
		assert.Equal(t, want, open, values)
		assert.False(t, allows(p, "192.0.2.1", 22, corev1.ProtocolTCP), values)
	}
}

// With peers, the ports are open only to these peers.
func TestNetworkPolicy_Peers_RestrictPorts(t *testing.T) {
	t.Parallel()
	p := policy(t, withURL+events+`notify: {webhook: {urlFile: /u}, pushgateway: {url: 'http://g:9091'}}
networkPolicy:
  database: {to: [{ipBlock: {cidr: 10.1.0.0/16}}, {podSelector: {matchLabels: {app: db}}}]}
  dns: {to: [{ipBlock: {cidr: 10.2.0.0/16}}]}
  apiServer: {to: [{ipBlock: {cidr: 10.3.0.0/16}}], ports: [6443]}
  webhook: {to: [{ipBlock: {cidr: 10.4.0.0/16}}]}
  pushgateway: {to: [{ipBlock: {cidr: 10.5.0.0/16}}]}
`)
	ports := []int32{5432, 53, 6443, 443, 9091}
	for i, address := range []string{"10.1.0.1", "10.2.0.1", "10.3.0.1", "10.4.0.1", "10.5.0.1", "10.6.0.1"} {
		for k, port := range ports {
			assert.Equal(t, i == k, allows(p, address, port, corev1.ProtocolTCP), "%s:%d", address, port)
		}
	}
}
