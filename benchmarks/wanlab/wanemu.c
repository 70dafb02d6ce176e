// wanemu - userspace WAN emulator between two TUN devices in two network namespaces.
// One event loop (or one thread per direction with threads=2). Real kernel TCP at both ends.
// With gso=1 the kernel hands over TSO super-packets (virtio-net header); every MSS-sized segment
// is still accounted, queued, dropped and timed on its own, then runs of survivors that leave within
// `coalesce` us are written as one super-packet. gso=0 forwards plain MTU-sized packets.
// ctl=PATH takes commands (see onctl); hold=1 ends the emulator when its stdin is closed, so that it never outlives its owner.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <malloc.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

typedef int64_t ns_t;
#define BUFSZ (66 * 1024)
#define RB 64                      // packets read per turn and direction
#define FLOWS 4096
static ns_t now_ns(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000000000LL + t.tv_nsec; }

struct pkt { int ref; uint32_t len, hlen, mss; struct virtio_net_hdr_v1 vh; uint8_t d[]; };
struct ent { ns_t t; uint64_t seq; struct pkt *p; uint32_t first, n; };
struct dep { ns_t t; uint32_t b; };
struct conf {
  double delay_ms, jitter_ms, jper_ms, rate, qms, loss, gp, gr, gh, gk, flow_rate, overhead;
  double qbytes, burst; int reorder; char trace[256];
};
struct stats { uint64_t pin, bin, pout, bout, dq, dl, df, sys_r, sys_w, werr, late_n; double late_sum, late_max; uint64_t qmax; };
struct dir {
  const char *name; int rfd, wfd;
  struct conf c, next; atomic_int dirty; pthread_mutex_t mu;
  struct ent *h; size_t hn, hc; uint64_t seq;
  struct dep *dq; size_t dh, dn, dc; uint64_t backlog;
  ns_t free_at, last_rel; uint64_t rng; int bad;
  ns_t j_t0, j_t1; double j_v0, j_v1;
  uint32_t *tr; size_t trn; uint64_t tr_i; int tr_left; ns_t tr_start; uint32_t tr_period;
  ns_t flow[FLOWS];
  struct pkt *scratch; struct stats s;
};
static struct dir D[2];
static int gso = 1, hold = 0, mtu = 1500, nthreads = 1, spin = 0, rt = 20; static double coalesce_us = 250;
static volatile sig_atomic_t stop;
static void die(const char *m) { perror(m); exit(1); }
static uint64_t rnd(struct dir *d) { uint64_t x = d->rng; x ^= x << 13; x ^= x >> 7; x ^= x << 17; return d->rng = x; }
static double u01(struct dir *d) { return (rnd(d) >> 11) * 0x1p-53; }

// ---- heap of entries by (t, seq)
static int lt(const struct ent *a, const struct ent *b) { return a->t != b->t ? a->t < b->t : a->seq < b->seq; }
static void hpush(struct dir *d, struct ent e) {
  if (d->hn == d->hc) { d->hc = d->hc ? d->hc * 2 : 4096; d->h = realloc(d->h, d->hc * sizeof *d->h); if (!d->h) die("realloc"); }
  size_t i = d->hn++;
  while (i) { size_t p = (i - 1) / 2; if (!lt(&e, &d->h[p])) break; d->h[i] = d->h[p]; i = p; }
  d->h[i] = e;
}
static struct ent hpop(struct dir *d) {
  struct ent r = d->h[0], e = d->h[--d->hn]; size_t i = 0;
  for (;;) { size_t c = 2 * i + 1; if (c >= d->hn) break; if (c + 1 < d->hn && lt(&d->h[c + 1], &d->h[c])) c++; if (!lt(&d->h[c], &e)) break; d->h[i] = d->h[c]; i = c; }
  if (d->hn) d->h[i] = e;
  return r;
}
// ---- bottleneck backlog (bytes accepted that have not left yet)
static void dep_push(struct dir *d, ns_t t, uint32_t b) {
  if (d->dn == d->dc) { size_t nc = d->dc ? d->dc * 2 : 8192; struct dep *x = malloc(nc * sizeof *x); for (size_t i = 0; i < d->dn; i++) x[i] = d->dq[(d->dh + i) % d->dc]; free(d->dq); d->dq = x; d->dc = nc; d->dh = 0; }
  d->dq[(d->dh + d->dn++) % d->dc] = (struct dep){t, b}; d->backlog += b; if (d->backlog > d->s.qmax) d->s.qmax = d->backlog;
}
static void dep_expire(struct dir *d, ns_t now) { while (d->dn && d->dq[d->dh].t <= now) { d->backlog -= d->dq[d->dh].b; d->dh = (d->dh + 1) % d->dc; d->dn--; } }

static ns_t tr_time(struct dir *d, uint64_t i) { return d->tr_start + ((ns_t)(i / d->trn) * d->tr_period + d->tr[i % d->trn]) * 1000000LL; }
// time at which the link has sent `b` more bytes
static ns_t link_send(struct dir *d, ns_t now, uint32_t b) {
  if (d->trn) {                                  // Mahimahi: each line lets 1500 B leave at that ms
    if (tr_time(d, d->tr_i) < now) {
      uint64_t cyc = (uint64_t)((now - d->tr_start) / 1000000LL / d->tr_period);
      if (d->tr_i < cyc * d->trn) d->tr_i = cyc * d->trn;
      while (tr_time(d, d->tr_i) < now) d->tr_i++;
      d->tr_left = 1500;
    }
    while ((int)b > d->tr_left) { b -= d->tr_left; d->tr_i++; d->tr_left = 1500; }
    d->tr_left -= b;
    return tr_time(d, d->tr_i);
  }
  if (d->c.rate <= 0) return now;
  double bps = d->c.rate / 8e9;                  // bytes per ns
  ns_t floor_t = now - (ns_t)(d->c.burst / bps); // token bucket: unused tokens up to `burst`
  if (d->free_at < floor_t) d->free_at = floor_t;
  d->free_at += (ns_t)(b / bps + 0.5);
  return d->free_at > now ? d->free_at : now;
}
static double qlimit(struct dir *d) {
  if (d->c.qbytes > 0) return d->c.qbytes;
  if (d->c.rate > 0) return d->c.rate / 8e3 * d->c.qms;
  if (d->trn) return (double)d->trn * 1500 / d->tr_period * d->c.qms;
  return 1e18;
}
static ns_t jit(struct dir *d, ns_t now) {
  if (d->c.jitter_ms <= 0) return 0;
  if (d->c.reorder) return (ns_t)((u01(d) * 2 - 1) * d->c.jitter_ms * 1e6);
  if (now >= d->j_t1) {                          // time-correlated: straight lines between random points
    d->j_v0 = now - d->j_t1 > 1000000000LL ? (u01(d) * 2 - 1) * d->c.jitter_ms * 1e6 : d->j_v1;
    d->j_t0 = now; d->j_t1 = now + (ns_t)(d->c.jper_ms * 1e6);
    d->j_v1 = (u01(d) * 2 - 1) * d->c.jitter_ms * 1e6;
  }
  return (ns_t)(d->j_v0 + (d->j_v1 - d->j_v0) * (double)(now - d->j_t0) / (double)(d->j_t1 - d->j_t0));
}
static int lost(struct dir *d) {
  if (d->c.gp > 0) {
    double u = u01(d);
    if (d->bad) { if (u < d->c.gr) d->bad = 0; } else if (u < d->c.gp) d->bad = 1;
    if (u01(d) < (d->bad ? d->c.gh : d->c.gk)) return 1;
  }
  return d->c.loss > 0 && u01(d) < d->c.loss;
}
static uint32_t flow_hash(const uint8_t *p, uint32_t len) {
  uint32_t h = 2166136261u; if (len < 24 || (p[0] >> 4) != 4) return 0;
  uint32_t l4 = (p[0] & 15) * 4; if (l4 + 4 > len) return 0;
  for (int i = 12; i < 20; i++) h = (h ^ p[i]) * 16777619u;
  h = (h ^ p[9]) * 16777619u; for (uint32_t i = l4; i < l4 + 4; i++) h = (h ^ p[i]) * 16777619u;
  return (h ^ h >> 15) % FLOWS;
}
// one wire segment of `wire` bytes at `now`; returns release time or 0 when dropped
static ns_t admit(struct dir *d, ns_t now, uint32_t wire, uint32_t fl) {
  wire += (uint32_t)d->c.overhead;
  ns_t at = now;
  if (d->c.flow_rate > 0) {                      // per-flow shaper in front of the shared link (policed tunnels, cloud per-flow caps)
    double bps = d->c.flow_rate / 8e9; ns_t f = d->flow[fl]; if (f < now) f = now;
    if ((f - now) * bps > d->c.flow_rate / 8e3 * d->c.qms) { d->s.df++; return 0; }
    d->flow[fl] = f + (ns_t)(wire / bps); at = d->flow[fl];
  }
  dep_expire(d, now);
  if ((d->c.rate > 0 || d->trn) && d->backlog + wire > qlimit(d)) { d->s.dq++; return 0; }
  ns_t t = link_send(d, at, wire);
  if (d->c.rate > 0 || d->trn) dep_push(d, t, wire);
  if (lost(d)) { d->s.dl++; return 0; }
  t += (ns_t)(d->c.delay_ms * 1e6) + jit(d, now);
  if (t < now) t = now;
  if (!d->c.reorder) { if (t < d->last_rel) t = d->last_rel; d->last_rel = t; }
  return t;
}
static void put(struct pkt *p) { if (--p->ref == 0) free(p); }

static int ingest(struct dir *d) {               // reads one packet; 0 when none
  struct pkt *p = d->scratch;
  if (!p) { p = d->scratch = malloc(sizeof *p + BUFSZ); if (!p) die("malloc"); }
  struct iovec v[2] = {{&p->vh, sizeof p->vh}, {p->d, BUFSZ}};
  ssize_t r = readv(d->rfd, v, 2); d->s.sys_r++;
  if (r <= (ssize_t)sizeof p->vh) return 0;
  ns_t now = now_ns();
  uint32_t len = (uint32_t)(r - sizeof p->vh);
  if (atomic_load_explicit(&d->dirty, memory_order_relaxed)) {
    pthread_mutex_lock(&d->mu); d->c = d->next; atomic_store(&d->dirty, 0); pthread_mutex_unlock(&d->mu);
    if (d->last_rel > now + (ns_t)(d->c.delay_ms * 1e6)) { /* a delay that shrank keeps FIFO order until it drains */ }
  }
  p->len = len; p->ref = 1; p->mss = 0; p->hlen = 0;
  uint32_t nseg = 1, l4 = (p->d[0] >> 4) == 4 ? (p->d[0] & 15) * 4u : 40;
  if (p->vh.gso_type != VIRTIO_NET_HDR_GSO_NONE && p->vh.gso_size) {
    p->hlen = l4 + (p->d[l4 + 12] >> 4) * 4u; p->mss = p->vh.gso_size;
    nseg = (len - p->hlen + p->mss - 1) / p->mss;
  }
  if (len <= 20000) {                             // small: copy out of the scratch buffer, else hand the buffer over
    struct pkt *q = malloc(sizeof *q + len); memcpy(q, p, sizeof *p + len); p = q;
  } else d->scratch = NULL;
  uint32_t fl = d->c.flow_rate > 0 ? flow_hash(p->d, len) : 0;
  d->s.pin += nseg; d->s.bin += len + (nseg - 1) * p->hlen;
  ns_t co = (ns_t)(coalesce_us * 1e3), t0 = 0; struct ent e = {0};
  for (uint32_t i = 0; i < nseg; i++) {
    uint32_t wire = nseg == 1 ? len : p->hlen + (i + 1 < nseg ? p->mss : len - p->hlen - i * p->mss);
    ns_t t = admit(d, now, wire, fl);
    if (t && e.n && t - t0 <= co && !d->c.reorder) { e.n++; e.t = t; continue; }
    if (e.n) { p->ref++; hpush(d, e); e.n = 0; }
    if (t) { e = (struct ent){t, d->seq++, p, i, 1}; t0 = t; }
  }
  if (e.n) { p->ref++; hpush(d, e); }
  put(p);
  return 1;
}
static uint16_t fold(uint32_t s) { while (s >> 16) s = (s & 0xffff) + (s >> 16); return (uint16_t)s; }
static void emit(struct dir *d, struct ent *e) {
  struct pkt *p = e->p; struct iovec v[3]; int nv; uint8_t hd[160]; struct virtio_net_hdr_v1 vh = p->vh; uint32_t tot = p->len;
  vh.num_buffers = 0;
  uint32_t all = p->mss ? (p->len - p->hlen + p->mss - 1) / p->mss : 1;
  v[0] = (struct iovec){&vh, sizeof vh};
  if (e->n == all) { v[1] = (struct iovec){p->d, p->len}; nv = 2; }
  else {
    uint32_t off = e->first * p->mss, pl = e->first + e->n == all ? p->len - p->hlen - off : e->n * p->mss;
    memcpy(hd, p->d, p->hlen); uint32_t l4 = (hd[0] >> 4) == 4 ? (hd[0] & 15) * 4u : 40; uint8_t *tcp = hd + l4;
    tot = p->hlen + pl; uint16_t w; uint32_t x;
    if ((hd[0] >> 4) == 4) {
      w = htons((uint16_t)tot); memcpy(hd + 2, &w, 2);
      memcpy(&w, hd + 4, 2); w = htons((uint16_t)(ntohs(w) + e->first)); memcpy(hd + 4, &w, 2);
      hd[10] = hd[11] = 0; x = 0; for (uint32_t i = 0; i < l4; i += 2) x += (uint32_t)hd[i] << 8 | hd[i + 1];
      w = htons((uint16_t)~fold(x)); memcpy(hd + 10, &w, 2);
    } else { w = htons((uint16_t)(tot - 40)); memcpy(hd + 4, &w, 2); }
    memcpy(&x, tcp + 4, 4); x = htonl(ntohl(x) + off); memcpy(tcp + 4, &x, 4);
    if (e->first + e->n != all) tcp[13] &= (uint8_t)~0x09;           // FIN|PSH only on the last segment
    if (e->first) tcp[13] &= (uint8_t)~0x80;                         // CWR only on the first
    memcpy(&w, tcp + 16, 2);                                         // pseudo-header sum holds the L4 length
    x = ntohs(w); x += (uint16_t)~(uint16_t)(p->len - l4); x += (uint16_t)(tot - l4); w = htons(fold(x)); memcpy(tcp + 16, &w, 2);
    if (e->n == 1) { vh.gso_type = VIRTIO_NET_HDR_GSO_NONE; vh.gso_size = 0; }
    v[1] = (struct iovec){hd, p->hlen}; v[2] = (struct iovec){p->d + p->hlen + off, pl}; nv = 3;
  }
  d->s.sys_w++;
  if (writev(d->wfd, v, nv) < 0) d->s.werr++;
  d->s.pout += e->n; d->s.bout += tot + (e->n - 1) * p->hlen;
  put(p);
}
static void turn(struct dir *d) {
  for (int i = 0; i < RB && ingest(d); i++) if (d->hn && (i & 15) == 15 && d->h[0].t <= now_ns()) break;
  ns_t now = now_ns(); int k = 0;
  while (d->hn && d->h[0].t <= now) {
    struct ent e = hpop(d); double late = (double)(now - e.t); d->s.late_sum += late; d->s.late_n++; if (late > d->s.late_max) d->s.late_max = late;
    emit(d, &e); if ((++k & 15) == 0) now = now_ns(); if (k >= 256) break;
  }
}
// One control client at a time; it has CLIENT_NS to finish, so that a silent one does not lock the others out.
#define CLIENT_NS 2000000000LL
static int client = -1; static ns_t client_end; static char line[1024]; static size_t line_n;
static void client_close(void) { if (client >= 0) close(client); client = -1; line_n = 0; }
static void loop(struct dir *ds, int n, int ctl, void (*onctl)(int), void (*tick)(void)) {
  prctl(PR_SET_TIMERSLACK, 1);
  ns_t nt = now_ns() + 1000000000LL;
  while (!stop) {
    ns_t next = nt; struct pollfd pf[4]; int np = 0, cp = -1, hp = -1;
    for (int i = 0; i < n; i++) { turn(&ds[i]); if (ds[i].hn && ds[i].h[0].t < next) next = ds[i].h[0].t; pf[np++] = (struct pollfd){ds[i].rfd, POLLIN, 0}; }
    ns_t now = now_ns();
    if (client >= 0 && now > client_end) client_close();
    if (ctl >= 0) { cp = np; pf[np++] = (struct pollfd){client >= 0 ? client : ctl, POLLIN, 0}; }
    if (ctl >= 0 && hold) { hp = np; pf[np++] = (struct pollfd){0, 0, 0}; }
    if (now >= nt) { if (tick) tick(); nt += 1000000000LL; if (nt < now) nt = now + 1000000000LL; }
    ns_t w = next - now; if (w < 0 || spin) w = 0;
    if (w > 0 || ctl >= 0) {
      struct timespec ts = {w / 1000000000LL, w % 1000000000LL};
      int r = ppoll(pf, (nfds_t)np, &ts, NULL);
      if (r > 0 && cp >= 0 && pf[cp].revents) onctl(ctl);
      if (r > 0 && hp >= 0 && pf[hp].revents) stop = 1;
    }
  }
}
// ---- settings
static double num(const char *s) { char *e; double v = strtod(s, &e); if (*e == 'k' || *e == 'K') v *= 1e3; else if (*e == 'm' || *e == 'M') v *= 1e6; else if (*e == 'g' || *e == 'G') v *= 1e9; return v; }
static double pct(const char *s) { char *e; double v = strtod(s, &e); return *e == '%' ? v / 100 : v; }
static double ms(const char *s) { char *e; double v = strtod(s, &e); if (!strncmp(e, "us", 2)) v /= 1e3; else if (*e == 's') v *= 1e3; return v; }
static void load_trace(struct dir *d, const char *f) {
  FILE *fp = fopen(f, "r"); if (!fp) die(f);
  size_t c = 4096; d->tr = malloc(c * 4); d->trn = 0; unsigned v;
  while (fscanf(fp, "%u", &v) == 1) { if (d->trn == c) d->tr = realloc(d->tr, (c *= 2) * 4); d->tr[d->trn++] = v; }
  fclose(fp); if (!d->trn) { fprintf(stderr, "empty trace\n"); exit(1); }
  d->tr_period = d->tr[d->trn - 1]; if (!d->tr_period) d->tr_period = 1; d->tr_start = now_ns(); d->tr_left = 1500;
}
static int setc(struct conf *c, const char *k, const char *v) {
  if (!strcmp(k, "delay")) c->delay_ms = ms(v);
  else if (!strcmp(k, "rtt")) c->delay_ms = ms(v) / 2;
  else if (!strcmp(k, "jitter")) c->jitter_ms = ms(v);
  else if (!strcmp(k, "jper")) c->jper_ms = ms(v);
  else if (!strcmp(k, "rate")) c->rate = num(v);
  else if (!strcmp(k, "flowrate")) c->flow_rate = num(v);
  else if (!strcmp(k, "queue")) { char *e; double x = strtod(v, &e); if (*e == 'm' && e[1] == 's') { c->qms = x; c->qbytes = 0; } else c->qbytes = num(v); }
  else if (!strcmp(k, "burst")) c->burst = num(v);
  else if (!strcmp(k, "overhead")) c->overhead = num(v);
  else if (!strcmp(k, "loss")) c->loss = pct(v);
  else if (!strcmp(k, "gilbert")) { double a[4] = {0, 1, 1, 0}; int i = 0; char b[128]; snprintf(b, sizeof b, "%s", v); for (char *t = strtok(b, ","); t && i < 4; t = strtok(0, ",")) a[i++] = pct(t); c->gp = a[0]; c->gr = a[1]; c->gh = a[2]; c->gk = a[3]; }
  else if (!strcmp(k, "burstloss")) { char *e; double l = strtod(v, &e); if (*e == '%') { l /= 100; e++; } double L = *e ? strtod(e + 1, 0) : 5; c->gr = 1 / L; c->gp = l * c->gr / (1 - l); c->gh = 1; c->gk = 0; }
  else if (!strcmp(k, "reorder")) c->reorder = atoi(v);
  else if (!strcmp(k, "trace")) snprintf(c->trace, sizeof c->trace, "%s", v);
  else return 0;
  return 1;
}
static int apply(const char *kv, int live) {      // "k=v" both ways, "ab.k=v" or "ba.k=v" one way
  char b[512]; snprintf(b, sizeof b, "%s", kv); char *q = strchr(b, '='); if (!q) return 0; *q++ = 0;
  int m = 3; char *k = b; if (!strncmp(k, "ab.", 3)) { m = 1; k += 3; } else if (!strncmp(k, "ba.", 3)) { m = 2; k += 3; }
  int ok = 0;
  for (int i = 0; i < 2; i++) if (m >> i & 1) { pthread_mutex_lock(&D[i].mu); ok = setc(&D[i].next, k, q); if (!live) D[i].c = D[i].next; else atomic_store(&D[i].dirty, 1); pthread_mutex_unlock(&D[i].mu); }
  return ok;
}
static const char *statf;
static int sjson(char *b, size_t z) {
  int n = snprintf(b, z, "{\"t\":%.3f", now_ns() / 1e9);
  for (int i = 0; i < 2; i++) { struct stats *s = &D[i].s;
    n += snprintf(b + n, z - (size_t)n, ",\"%s\":{\"in_pkts\":%lu,\"in_bytes\":%lu,\"out_pkts\":%lu,\"out_bytes\":%lu,\"drop_queue\":%lu,\"drop_loss\":%lu,\"drop_flow\":%lu,\"reads\":%lu,\"writes\":%lu,\"write_err\":%lu,\"late_avg_us\":%.1f,\"late_max_us\":%.1f,\"held\":%zu,\"backlog\":%lu,\"backlog_max\":%lu}",
      D[i].name, s->pin, s->bin, s->pout, s->bout, s->dq, s->dl, s->df, s->sys_r, s->sys_w, s->werr, s->late_n ? s->late_sum / s->late_n / 1e3 : 0, s->late_max / 1e3, D[i].hn, D[i].backlog, s->qmax); }
  n += snprintf(b + n, z - (size_t)n, "}\n"); return n;
}
static void tick(void) { if (!statf) return; char b[4096], t[300]; int n = sjson(b, sizeof b); snprintf(t, sizeof t, "%s.tmp", statf); int f = open(t, O_WRONLY | O_CREAT | O_TRUNC, 0644); if (f < 0) return; if (write(f, b, (size_t)n) == n) { close(f); rename(t, statf); } else close(f); }
// A line "set k=v k=v" | "stats" | "reset"; the answer is one line, then the connection is closed.
static void onctl(int fd) {
  if (client < 0) {
    client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC); client_end = now_ns() + CLIENT_NS; line_n = 0;
    return;
  }
  ssize_t n = recv(client, line + line_n, sizeof line - 1 - line_n, 0);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) { client_close(); return; }
  line_n += (size_t)n; line[line_n] = 0;
  if (!strchr(line, '\n')) { if (line_n == sizeof line - 1) client_close(); return; }
  char o[4096]; int on; char *rest = NULL, *c = strtok_r(line, " \n", &rest);
  if (c && !strcmp(c, "set")) {
    char bad[256] = ""; for (char *t; (t = strtok_r(NULL, " \n", &rest));) if (!apply(t, 1)) snprintf(bad, sizeof bad, "%s", t);
    on = *bad ? snprintf(o, sizeof o, "error unknown setting %s\n", bad) : snprintf(o, sizeof o, "ok\n");
  } else if (c && !strcmp(c, "reset")) { for (int i = 0; i < 2; i++) memset(&D[i].s, 0, sizeof D[i].s); on = snprintf(o, sizeof o, "ok\n"); }
  else if (c && !strcmp(c, "stats")) on = sjson(o, sizeof o);
  else on = snprintf(o, sizeof o, "error unknown command\n");
  if (send(client, o, (size_t)on, MSG_NOSIGNAL) < 0) perror("wanemu: control");
  client_close();
}
static int tun_open(const char *ns, const char *ifn) {
  char p[256]; snprintf(p, sizeof p, "/var/run/netns/%s", ns);
  int n = open(p, O_RDONLY); if (n < 0) die(p); if (setns(n, CLONE_NEWNET)) die("setns"); close(n);
  int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK); if (fd < 0) die("/dev/net/tun");
  struct ifreq r; memset(&r, 0, sizeof r); r.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR; snprintf(r.ifr_name, IFNAMSIZ, "%s", ifn);
  if (ioctl(fd, TUNSETIFF, &r)) die("TUNSETIFF");
  int hs = sizeof(struct virtio_net_hdr_v1); if (ioctl(fd, TUNSETVNETHDRSZ, &hs)) die("TUNSETVNETHDRSZ");
  if (ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | (gso ? TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN : 0))) die("TUNSETOFFLOAD");
  int s = socket(AF_INET, SOCK_DGRAM, 0); r.ifr_mtu = mtu; ioctl(s, SIOCSIFMTU, &r); r.ifr_qlen = 20000; ioctl(s, SIOCSIFTXQLEN, &r); close(s);
  return fd;
}
static void *thr(void *a) { loop(a, 1, -1, NULL, NULL); return NULL; }
static void onsig(int s) { (void)s; stop = 1; }
int main(int ac, char **av) {
  const char *nsa = "wla", *nsb = "wlb", *ifn = "wan0", *ctl = NULL; uint64_t seed = 1;
  mallopt(M_MMAP_THRESHOLD, 1 << 30); mallopt(M_TRIM_THRESHOLD, 1 << 30);
  D[0].name = "ab"; D[1].name = "ba";
  for (int i = 0; i < 2; i++) { pthread_mutex_init(&D[i].mu, 0); D[i].next = (struct conf){.qms = 100, .jper_ms = 20, .burst = 3000}; D[i].c = D[i].next; }
  for (int i = 1; i < ac; i++) { char *a = av[i], *v = strchr(a, '='); if (!v) { fprintf(stderr, "key=value wanted: %s\n", a); return 2; } v++;
    if (!strncmp(a, "nsa=", 4)) nsa = v; else if (!strncmp(a, "nsb=", 4)) nsb = v; else if (!strncmp(a, "if=", 3)) ifn = v; else if (!strncmp(a, "ctl=", 4)) ctl = v;
    else if (!strncmp(a, "hold=", 5)) hold = atoi(v); else if (!strncmp(a, "stats=", 6)) statf = v; else if (!strncmp(a, "seed=", 5)) seed = strtoull(v, 0, 0); else if (!strncmp(a, "gso=", 4)) gso = atoi(v); else if (!strncmp(a, "mtu=", 4)) mtu = atoi(v);
    else if (!strncmp(a, "threads=", 8)) nthreads = atoi(v); else if (!strncmp(a, "spin=", 5)) spin = atoi(v); else if (!strncmp(a, "rt=", 3)) rt = atoi(v); else if (!strncmp(a, "coalesce=", 9)) coalesce_us = atof(v);
    else if (!apply(a, 0)) { fprintf(stderr, "unknown setting %s\n", a); return 2; } }
  for (int i = 0; i < 2; i++) { D[i].rng = (seed * 0x9E3779B97F4A7C15ULL) ^ (0xD1B54A32D192ED03ULL * (uint64_t)(i + 1)); for (int k = 0; k < 16; k++) rnd(&D[i]); if (D[i].c.trace[0]) load_trace(&D[i], D[i].c.trace); }
  int home = open("/proc/self/ns/net", O_RDONLY);
  int fa = tun_open(nsa, ifn), fb = tun_open(nsb, ifn); setns(home, CLONE_NEWNET);
  D[0].rfd = fa; D[0].wfd = fb; D[1].rfd = fb; D[1].wfd = fa;
  int cfd = -1;
  if (ctl) { struct sockaddr_un sa = {.sun_family = AF_UNIX}; snprintf(sa.sun_path, sizeof sa.sun_path, "%s", ctl); unlink(ctl); cfd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); if (bind(cfd, (void *)&sa, sizeof sa) || listen(cfd, 16)) die("bind ctl"); }
  if (rt) { struct sched_param sp = {.sched_priority = rt}; if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &sp)) perror("wanemu: no real-time priority"); }
  signal(SIGINT, onsig); signal(SIGTERM, onsig); signal(SIGPIPE, SIG_IGN);
  printf("ready\n"); fflush(stdout);
  if (nthreads == 2) { pthread_t t; pthread_create(&t, 0, thr, &D[1]);
    if (rt) { struct sched_param sp = {.sched_priority = rt}; pthread_setschedparam(t, SCHED_FIFO, &sp); } loop(&D[0], 1, cfd, onctl, tick); pthread_join(t, 0); }
  else loop(D, 2, cfd, onctl, tick);
  tick(); return 0;
}
