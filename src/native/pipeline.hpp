// The network as a pipeline of rows: luma rows go in at the top, sums of the last convolution come out below.
//
// Each layer keeps the rows of its output that others still need in a ring: 3, or 5 for the last convolution, or m + 1
// for the first, whose features are added to the last ones. Where the next layer reads rows in Winograd's form, they
// are transformed as soon as they are made, and the ring holds transformed rows. For every row that enters, each layer
// makes one. Rows above and below the picture are not computed: they are the padding, one constant row a layer. So
// memory grows with the width alone, and for all but very wide pictures features stay in the cache.
#pragma once
#include <vector>

#include "network.hpp"

namespace sesr {

// The picture that a network runs on: supplies rows of luma and receives results.
class Rows {
  public:
    virtual ~Rows() = default;
    // Writes luma row y to `row`, as the first convolution reads it.
    virtual void read(Index y, void* row) = 0;
    // Receives the last convolution's sums for input row y: scale^2 planes, `stride` numbers of 32 bits apart.
    virtual void write(Index y, const void* sums, Index stride) = 0;
};

// The latest rows of one layer.
class Ring {
  public:
    // `planes` of `pixel` elements a pixel each, `bytes` an element.
    Ring(Index rows, Index width, Index planes, Index pixel, Index bytes, Index height);
    // Pixel 0 of row y; above and below the picture, of the row of padding.
    char* at(Index y) const;
    // Fills the row's ends with the padding.
    void pad(Index y, std::int32_t padding) const;
    // Fills everything with the padding.
    void fill(std::int32_t padding) const;
    Index plane() const { return plane_; }  // bytes from one plane to the next

  private:
    void put(char* pixel, Index count, std::int32_t padding) const;
    Index rows_, width_, planes_, pixel_, bytes_, height_, plane_, row_;
    Memory memory_;
};

// The latest three rows of one layer, in Winograd's form.
class TileRing {
  public:
    TileRing(Index bytes, Index height);
    // Row y; above and below the picture, the row of padding.
    char* at(Index y) const;

  private:
    static constexpr Index ROWS = 3;
    Index height_, row_;
    Memory memory_;
};

class Pipeline {
  public:
    Pipeline(const Network& network, Index width, Index height);
    // Computes the results of input rows first..last (exclusive).
    void run(Rows& rows, Index first, Index last);

  private:
    void advance(std::size_t stage, Index y);
    void make_rings();
    std::int32_t luma_padding() const;
    // True if the next layer reads a layer's rows in Winograd's form.
    bool tiled(std::size_t stage) const;
    // A layer's rows as they are. Those that are needed just after they were made share one row.
    const Ring& features(std::size_t stage) const { return rings_[ring_of_[stage]]; }
    const Network& network_;
    Index width_, height_, stride_;
    Ring luma_;
    std::vector<Ring> rings_;           // of the first convolution and those in the middle
    std::vector<std::size_t> ring_of_;  // the place of each layer's ring among them
    std::vector<TileRing> tiles_;       // of the same layers, empty where they are not tiled
    Ring residual_sums_;
    Tail tail_;
    Memory sums_, scratch_;
};

}  // namespace sesr
