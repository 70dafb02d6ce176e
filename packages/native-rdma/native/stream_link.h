#pragma once

#include <array>
#include <atomic>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

#include "stream_frame.h"
#include "stream_pool.h"
#include "stream_seal.h"

struct iovec;

namespace dwcp {

// Why a link carries nothing more. The values are the codes that the addon hands to JavaScript.
enum class LinkEnd : uint32_t {
  kOpen = 0,
  // The peer ended it between two frames, and what was queued here is sent.
  kEnded = 1,
  // Within one.
  kCutOff = 2,
  kDamagedHead = 3,
  kRefusedLength = 4,
  kForged = 5,
  kOutOfMemory = 6,
  kSystem = 7,
  kClosed = 8,
};

struct OutgoingFrame {
  FrameHead head;
  // Lent: read until the frame is counted as sent.
  const uint8_t* body = nullptr;
  std::array<uint8_t, kDigestBytes> digest{};
  bool has_digest = false;
};

struct IncomingFrame {
  FrameHead head;
  // Of the body as it came.
  std::array<uint8_t, kDigestBytes> digest{};
  bool is_intact = true;
  PooledBody body;
};

struct LinkOptions {
  // By type of frame; 0 refuses the type, n allows bodies of n - 1 bytes.
  std::array<uint32_t, 256> rooms{};
  size_t receive_queue_bytes = 0;
  // What is sent is told once no more than half of it waits.
  size_t send_queue_bytes = 0;
  // Sealed where both are there.
  std::unique_ptr<Seal> sealing;
  std::unique_ptr<Seal> opening;
};

// What was received and sent since the last time.
struct LinkNews {
  std::deque<IncomingFrame> frames;
  uint64_t sent_frames = 0;
  LinkEnd end = LinkEnd::kOpen;
  int system_error = 0;
};

// One connection that carries frames (docs/wire/amst.md). It owns the descriptor, which does not block. One thread calls OnReady and
// Wants, any other the rest.
class StreamLink {
 public:
  // `notify` is called when there is news, and not again before Take; never after Close has returned.
  StreamLink(int fd, LinkOptions options, std::function<void()> notify);
  ~StreamLink();

  // What was read from the descriptor before; before the link is given to its thread.
  void Begin(Bytes received);

  // Each of these says whether the thread must be woken to see it.
  bool Write(const OutgoingFrame& frame);
  // Frames stay where they are when they are not wanted yet: then no more than receive_queue_bytes are taken from the peer.
  bool Take(LinkNews& news, bool wants_frames);
  // Sends what is written, then the end.
  bool End();
  // Closes the descriptor, and waits until the thread is out of the link: nothing lent is read any more.
  void Close();

  struct Interest {
    int fd = -1;
    bool reads = false;
    bool writes = false;
  };
  // fd is -1 once it is over.
  Interest Wants();
  void OnReady(bool readable, bool writable);

  // -1 once it is closed.
  int fd() const { return fd_; }
  uint64_t sent_bytes() const { return sent_bytes_.load(std::memory_order_relaxed); }
  uint64_t received_bytes() const { return received_bytes_.load(std::memory_order_relaxed); }

 private:
  struct Sending {
    OutgoingFrame frame;
    std::array<uint8_t, kOpenHeadBytes> head{};
  };

  bool IsSealed() const { return options_.sealing != nullptr; }
  void Finish(LinkEnd end, int system_error = 0);
  void Tell();
  void CloseDescriptor();

  void Send();
  bool SendOpen(size_t& budget);
  bool SendSealed(size_t& budget);
  bool NextToSend(Sending& sending);
  bool FillScratch();
  void CountSent(uint64_t frames, size_t cost);
  void TellNews();
  // Bytes the system took; 0 when it takes none now or the link is over.
  size_t Push(iovec* parts, size_t count);

  void Receive();
  void EndWithPeer();
  void Consume(const uint8_t* bytes, size_t length);
  void TakeHead();
  void AdvanceBody(size_t length);
  void FinishBody();
  bool HasRoom();

  std::mutex io_;
  LinkOptions options_;
  std::function<void()> notify_;
  std::atomic<int> fd_;
  LinkEnd end_ = LinkEnd::kOpen;
  bool is_shut_ = false;
  bool has_peer_ended_ = false;

  std::deque<Sending> sending_;
  size_t sending_offset_ = 0;
  std::vector<uint8_t> scratch_;
  size_t scratch_from_ = 0;
  size_t scratch_to_ = 0;
  // Of sending_.front(), how much of its body is sealed; its head is when has_sealed_head_.
  size_t sealed_ = 0;
  bool has_sealed_head_ = false;

  std::vector<uint8_t> staging_;
  std::array<uint8_t, kOpenHeadBytes> head_{};
  size_t head_filled_ = 0;
  bool in_body_ = false;
  IncomingFrame arriving_;
  size_t body_filled_ = 0;
  size_t body_opened_ = 0;

  std::mutex queues_;
  std::deque<OutgoingFrame> outgoing_;
  bool is_ending_ = false;
  bool is_full_ = false;
  bool is_told_ = false;
  size_t incoming_cost_ = 0;
  size_t outgoing_cost_ = 0;
  // Told at the end of a turn: each time costs the other thread a turn of its own.
  bool has_news_ = false;
  LinkNews news_;

  std::atomic<uint64_t> sent_bytes_{0};
  std::atomic<uint64_t> received_bytes_{0};
};

}  // namespace dwcp
